"""Conversations rendered by Jinja and tokenized by transformers, and values printed by json.dumps.

    python tests/oracle/make_prompt_vectors.py

Writes tests/data/vectors/prompts.json: {"made_with", "prompts": [{kind, messages, tools?, add_generation_prompt, spelled, text, ids}],
"python_json": [{json, text}]}. ids are those of the tiny tokenizer for the whole text at once. kind "instruct": the template of
models/tiny-vl-dense. kind "thinking": the rule of the Qwen3 family as the text-only Qwen3 template has it
(tests/data/qwen3-tokenizer), with the opening that Qwen3-VL-Thinking checkpoints give an answer: "<|im_start|>assistant\\n<think>\\n".
spelled: a message spells an added token out, so ids hold for special_tokens_in_text.
"""
import json
from pathlib import Path

import transformers
from transformers import AutoTokenizer

ROOT = Path(__file__).resolve().parents[2]
TOOLS = [{"type": "function", "function": {"name": "größe", "description": "a \"b\" \\ c\n\t<&'>\u007f\u0001 放大 👋",
                                           "parameters": {"type": "object", "properties": {}, "n": 1.0, "e": 1e-05, "big": 1e16, "no": None}}}]


def call(name, arguments, wrapped=True):
    f = {"name": name, "arguments": arguments}
    return {"type": "function", "function": f} if wrapped else f


def user(text):
    return {"role": "user", "content": text}


def assistant(text, **more):
    return {"role": "assistant", "content": text, **more}


def tool(text):
    return {"role": "tool", "content": text}


SYSTEM = {"role": "system", "content": "Be brief.\n"}
COMMON = [
    [user("Hi")],
    [SYSTEM, user("\n\n Hello \n"), assistant("\nYes.\n\n"), user("   x\n")],
    [user("Weather?"), assistant("", tool_calls=[call("größe", {"city": "Köln", "n": [1, 2.5, -0.0, 1e22], "x": None})]), tool("\n{\"t\": 20}"), assistant("20."), user("Thanks")],
    [user("Weather?"), assistant("Look.", tool_calls=[call("a", "{\"n\":1}"), call("b", {}, False)]), tool("one\n"), tool("two")],
    [user("e\u0301 \u1100\u1161 \ufb01"), assistant("e\u0301e\u0301!"), user("A\u030angstro\u0308m \u212b")],
    [user("12345 days' \r\n\t x"), assistant("don't 你好 👋\n"), user("!?!\n\n\nno")],
    [user("x"), assistant("y"), {"role": "system", "content": "late"}, user("z")],
    [assistant("I begin."), user("ok")],
    [tool("first"), user("a")],
]
SPELLED = [
    [user("a <|im_end|>\n<|im_start|>assistant\nb")],
    [user("<|vision_start|>x<|endoftext|>"), assistant("<tool_call> </tool_call>"), user("<|im_end|>")],
    [user("say <think>"), assistant("ok <tool_response>"), user("<|box_start|>(1,2)<|box_end|>")],
]
THINKING = [
    [user("1+1?"), assistant("2.", reasoning_content="\n\nOne and one.\n"), user("2+2?")],
    [user("1+1?"), assistant("<think>\nOne and one.\n</think>\n\n2."), user("2+2?"), assistant("<think>\n\nTwo.\n\n</think>\n\n\n4.")],
    [user("1+1?"), assistant("2.")],
    [user("1+1?"), assistant("2.", reasoning_content="Sum."), ],
    [user("Weather?"), assistant("", reasoning_content="A tool.", tool_calls=[call("w", {"c": "Paris"})]), tool("20"), assistant("\n20.", reasoning_content="Read it.")],
    [user("Weather?"), assistant("Look.", tool_calls=[call("w", {"c": "Paris"})]), tool("20"), assistant("It is 20.")],
    [user("Weather?"), assistant("\nI look.", reasoning_content="A tool.", tool_calls=[call("w", {"c": "Paris"})]), tool("20")],
    [user("a"), assistant("<think>x</think>y<think>z</think>\n\nw"), user("b"), assistant("x</think>y", tool_calls=[call("w", "{}")]), tool("t")],
    [user("q"), assistant("", reasoning_content="r", tool_calls=[call("w", {})]), user("<tool_response>\n5\n</tool_response>"), assistant("5", reasoning_content="s")],
    [user("q"), assistant("a", reasoning_content="r"), user("<tool_response> no end"), assistant("5", reasoning_content="s"), user("<tool_response></tool_response>")],
    [user("q"), assistant("think </think>"), user("r")],
    [user("q"), assistant("<think>\n\n</think>\n\n")],
    [assistant("a", reasoning_content="b"), assistant("c", reasoning_content="d")],
    [user("q"), assistant("a", reasoning_content="\n", tool_calls=[call("w", {})]), tool("t"), assistant("<think>\n</think>b", tool_calls=[call("w", {})]), tool("t")],
]
JSON_TEXTS = [
    "null", "true", "[]", "{}", "[[], {}]", "1", "-1", "0", "-0", "18446744073709551615", "-9223372036854775808", "1.0", "-0.0", "0.1", "1e-05", "1e-4",
    "0.0001", "0.00012345", "123456789012345680.0", "1e15", "1e16", "1.5e16", "1e22", "1e100", "5e-324", "1.7976931348623157e308", "2.5", "1E5", "100.0", "3.141592653589793",
    "\"\"", "\"a\\u0000\\u001f\\u007f\\b\\f\\n\\r\\t\\\\\\\"\\/\"", "\"größer 放大 \\ud83d\\udc4b\"", "\"\\u2028<>&'\"", "{\"b\": 1, \"a\": [1, 2.50, \"x\"], \"c\": {\"d\": null, \"\": false}}",
    "{\"a\": 1, \"b\": 2, \"a\": 3}",
]


def main():
    tiny = AutoTokenizer.from_pretrained(ROOT / "models/tiny-vl-dense")
    thinking = json.loads((ROOT / "tests/data/qwen3-tokenizer/tokenizer_config.json").read_text())["chat_template"]
    rows = []

    def add(kind, messages, tools, generate, spelled):
        template = thinking if kind == "thinking" else None
        text = tiny.apply_chat_template(messages, tools=tools, chat_template=template, tokenize=False, add_generation_prompt=generate)
        if kind == "thinking" and generate:
            assert text.endswith("<|im_start|>assistant\n")
            text += "<think>\n"
        row = {"kind": kind, "messages": messages, "add_generation_prompt": generate, "spelled": spelled, "text": text, "ids": tiny(text)["input_ids"]}
        if tools:
            row["tools"] = tools
        rows.append(row)

    for kind in ("instruct", "thinking"):
        for messages in COMMON:
            for tools, generate in ((None, True), (TOOLS, False)):
                add(kind, messages, tools, generate, False)
        for messages in SPELLED:
            add(kind, messages, None, True, True)
    for messages in THINKING:
        for generate in (True, False):
            spelled = any("think>" in m["content"] or "tool_response>" in m["content"] for m in messages)
            add("thinking", messages, None, generate, spelled)
    values = [{"json": t, "text": json.dumps(json.loads(t), ensure_ascii=False)} for t in JSON_TEXTS]
    out = {"made_with": f"transformers {transformers.__version__}, tests/oracle/make_prompt_vectors.py", "prompts": rows, "python_json": values}
    (ROOT / "tests/data/vectors/prompts.json").write_text(json.dumps(out, ensure_ascii=True, indent=None, separators=(",", ":")) + "\n")
    print(len(rows), "prompts")


if __name__ == "__main__":
    main()
