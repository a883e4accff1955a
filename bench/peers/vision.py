"""transformers' own modules with the weights of a checkpoint, and pictures of random pixels: what the torch and OpenVINO workers share."""
import glob
import os

import torch
from safetensors import safe_open
from transformers import AutoConfig


def load_part(checkpoint, kind, config, prefix, dtype):
    """The module `kind` of config with the tensors that begin with prefix."""
    with torch.device("meta"):
        model = kind(config)
    weights = {}
    for path in sorted(glob.glob(os.path.join(checkpoint, "*.safetensors"))):
        with safe_open(path, "pt") as f:
            weights.update({key[len(prefix):]: f.get_tensor(key).to(dtype) for key in f.keys() if key.startswith(prefix)})
    model.load_state_dict(weights, assign=True)
    for name, module in model.named_modules():  # what is computed, not stored, was not made on the meta device
        if "rotary" in name.split(".")[-1]:
            parent = model.get_submodule(name.rpartition(".")[0])
            setattr(parent, name.rpartition(".")[2], type(module)(config))
    return model.eval()


def load_vision(checkpoint, dtype):
    from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLVisionModel
    config = AutoConfig.from_pretrained(checkpoint).vision_config
    config._attn_implementation = "sdpa"
    return load_part(checkpoint, Qwen3VLVisionModel, config, "model.visual.", dtype)


def load_text(checkpoint, dtype):
    from transformers.models.qwen3_vl.modeling_qwen3_vl import Qwen3VLTextModel
    config = AutoConfig.from_pretrained(checkpoint).text_config
    config._attn_implementation = "sdpa"
    return load_part(checkpoint, Qwen3VLTextModel, config, "model.language_model.", dtype)


def random_picture(config, width, height, dtype):
    """-> (patches, grid)."""
    h, w = height // config.patch_size, width // config.patch_size
    values = config.in_channels * config.temporal_patch_size * config.patch_size ** 2
    return torch.rand(h * w, values).mul(2).sub(1).to(dtype), torch.tensor([[1, h, w]])
