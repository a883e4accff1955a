// Routing, and the experts: slots (token, choice) are grouped by expert, so that each expert's weights are
// read once.
#include <cstring>

#include "ggml-like-core/backend/cpu/op_context.h"
#include "ggml-like-core/base/buffer.h"
#include "ggml-like-core/base/numbers.h"

namespace core {
namespace {

// The places of everything in the shared workspace.
struct Layout {
  std::int64_t n, k, slots, hidden, inter;
  MatProduct gate, up, down;  // of expert 0
  std::size_t x_row, mid_row;
  std::size_t converted, gathered, gate_out, mid, begin, slot_of, active, bytes;

  Layout(const Experts& op, std::int64_t n_tokens, std::int64_t top_k, const KernelTable& kernels, bool blas)
      : n(n_tokens),
        k(top_k),
        slots(n * k),
        hidden(op.gate->cols),
        inter(op.gate->rows),
        gate{op.gate->data, op.gate->dtype, inter, hidden},
        up{op.up->data, op.up->dtype, inter, hidden},
        down{op.down->data, op.down->dtype, hidden, inter},
        x_row(converted_bytes(kernels.mat[*format_index(gate.dtype)], blas, hidden)),
        mid_row(converted_bytes(kernels.mat[*format_index(down.dtype)], blas, inter)) {
    std::size_t at = 0;
    const auto take = [&](std::size_t size) {
      const std::size_t here = at;
      at += round_up(size, 64);
      return here;
    };
    const auto s = static_cast<std::size_t>(slots);
    converted = take(x_row * static_cast<std::size_t>(n));
    gathered = take(n == 1 ? 0 : x_row * s);  // the slots of one token share its row
    gate_out = take(s * static_cast<std::size_t>(inter) * sizeof(float));
    mid = take(mid_row * s);
    begin = take(static_cast<std::size_t>(op.gate->experts + 1) * sizeof(std::int32_t));
    slot_of = take(s * sizeof(std::int32_t));
    active = take(static_cast<std::size_t>(op.gate->experts + 1) * sizeof(std::int32_t));
    bytes = at;
  }

  // Of each worker: what its strips need, and one strip of at most kTokenBlock tokens.
  std::size_t strip_scratch(bool blas) const {
    return round_up(std::max(strip_scratch_bytes(gate, blas), strip_scratch_bytes(down, blas)), 64);
  }
  std::size_t each(bool blas) const {
    return strip_scratch(blas) +
           static_cast<std::size_t>(std::min(n, kTokenBlock) * kStripRows) * sizeof(float);
  }
};

}  // namespace

void run_op(const TopK& op, const Node& node, OpContext& c) {
  const std::int64_t experts = c.info(node.inputs[0]).cols;
  const float* logits = c.f32(node.inputs[0]);
  const std::int32_t* forced = node.inputs[1].present() ? c.i32(node.inputs[1]) : nullptr;
  float* weights = c.out(node.outputs[0]);
  auto* ids = reinterpret_cast<std::int32_t*>(c.out(node.outputs[1]));
  c.rows(c.info(node.inputs[0]).rows, [&](std::int64_t t) {
    const float* row = logits + t * experts;
    float* w = weights + t * op.k;
    std::int32_t* id = ids + t * op.k;
    // The order of probabilities is the order of logits; the softmax over all experts cancels in the ratio of
    // the chosen ones.
    for (std::int64_t s = 0; s < op.k; ++s) {
      std::int32_t best = -1;
      for (std::int32_t e = 0; e < experts; ++e)
        if ((best < 0 || row[e] > row[best]) && std::find(id, id + s, e) == id + s) best = e;
      id[s] = forced != nullptr ? forced[t * op.k + s] : best;
    }
    for (std::int64_t s = 0; s < op.k; ++s) w[s] = row[id[s]];
    c.kernels->softmax(w, w, op.k);
  });
}

Workspace workspace(const Experts& op, const Node& node, const PlanContext& c) {
  const ValueInfo& routing = c.info(node.inputs[1]);
  const Layout l(op, routing.rows, routing.cols, *c.kernels, c.blas);
  return {.shared = l.bytes, .each = l.each(c.blas)};
}

void run_op(const Experts& op, const Node& node, OpContext& c) {
  const ValueInfo& routing = c.info(node.inputs[1]);
  const Layout l(op, routing.rows, routing.cols, *c.kernels, c.blas);
  const float* x = c.f32(node.inputs[0]);
  const float* weights = c.f32(node.inputs[1]);
  const std::int32_t* ids = c.i32(node.inputs[2]);
  float* out = c.out(node.outputs[0]);
  auto* begin =
      reinterpret_cast<std::int32_t*>(c.shared + l.begin);  // first place of each expert, [experts + 1]
  auto* slot_of = reinterpret_cast<std::int32_t*>(c.shared + l.slot_of);  // by place: the slot
  auto* active =
      reinterpret_cast<std::int32_t*>(c.shared + l.active);  // their number, then the experts that have slots
  auto* gate_out = reinterpret_cast<float*>(c.shared + l.gate_out);
  auto* second = reinterpret_cast<float*>(c.each + l.strip_scratch(c.blas));

  const MatKernels& x_mat = c.mat(l.gate.dtype);
  const MatKernels& mid_mat = c.mat(l.down.dtype);
  if (c.worker->index() == 0) {  // counting sort of slots by expert
    std::fill(begin, begin + op.gate->experts + 1, 0);
    for (std::int64_t s = 0; s < l.slots; ++s) ++begin[ids[s] + 1];
    active[0] = 0;
    for (std::int32_t e = 0; e < op.gate->experts; ++e) {
      if (begin[e + 1] > 0) active[++active[0]] = e;
      begin[e + 1] += begin[e];
    }
    for (std::int32_t s = 0; s < l.slots; ++s) slot_of[begin[ids[s]]++] = s;
    for (std::int64_t e = op.gate->experts; e > 0; --e) begin[e] = begin[e - 1];
    begin[0] = 0;
    if (c.fetch_experts)
      for (std::int32_t a = 1; a <= active[0]; ++a)
        for (const Weight* w : {op.gate, op.up, op.down})
          will_need(w->expert(active[a]), w->row_stride() * static_cast<std::size_t>(w->rows));
  }
  c.rows(l.n, [&](std::int64_t t) {
    convert_row(x_mat, c.blas, c.shared + l.converted + l.x_row * static_cast<std::size_t>(t),
                x + t * l.hidden, l.hidden);
  });
  c.worker->barrier();
  if (l.n > 1) {
    c.rows(l.slots, [&](std::int64_t place) {
      std::memcpy(c.shared + l.gathered + l.x_row * static_cast<std::size_t>(place),
                  c.shared + l.converted + l.x_row * static_cast<std::size_t>(slot_of[place] / l.k), l.x_row);
    });
    c.worker->barrier();
  }

  // body(first place, places) for the slots of expert e, kTokenBlock at a time.
  const auto for_places = [&](std::int32_t e, const auto& body) {
    for (std::int64_t place = begin[e]; place < begin[e + 1]; place += kTokenBlock)
      body(place, std::min<std::int64_t>(kTokenBlock, begin[e + 1] - place));
  };
  const std::int64_t mid_strips = ceil_div(l.inter, kStripRows);
  c.worker->chunks(active[0] * mid_strips, 1, [&](std::int64_t chunk, std::int64_t) {
    const std::int32_t e = active[1 + chunk / mid_strips];
    const std::int64_t first = chunk % mid_strips * kStripRows;
    const std::int64_t last = std::min(first + kStripRows, l.inter);
    MatProduct gate = l.gate;
    MatProduct up = l.up;
    gate.weight = op.gate->expert(e);
    up.weight = op.up->expert(e);
    for_places(e, [&](std::int64_t place, std::int64_t count) {
      const std::byte* rows = l.n == 1 ? c.shared + l.converted
                                       : c.shared + l.gathered + l.x_row * static_cast<std::size_t>(place);
      float* tile = gate_out + place * l.inter + first;
      multiply_strip(c, gate, first, last, rows, count, tile, l.inter);
      multiply_strip(c, up, first, last, rows, count, second, kStripRows);
      for (std::int64_t i = 0; i < count; ++i)
        c.kernels->silu_mul(tile + i * l.inter, tile + i * l.inter, second + i * kStripRows, last - first);
    });
  });
  c.worker->barrier();
  c.rows(l.slots, [&](std::int64_t place) {
    convert_row(mid_mat, c.blas, c.shared + l.mid + l.mid_row * static_cast<std::size_t>(place),
                gate_out + place * l.inter, l.inter);
  });
  c.worker->barrier();
  // A strip of outputs takes its sums from one expert after the other, so that their order is always the
  // same.
  c.worker->chunks(ceil_div(l.hidden, kStripRows), 1, [&](std::int64_t chunk, std::int64_t) {
    const std::int64_t first = chunk * kStripRows;
    const std::int64_t last = std::min(first + kStripRows, l.hidden);
    for (std::int64_t t = 0; t < l.n; ++t)
      std::fill(out + t * l.hidden + first, out + t * l.hidden + last, 0.0F);
    MatProduct down = l.down;
    for (std::int32_t a = 1; a <= active[0]; ++a) {
      down.weight = op.down->expert(active[a]);
      for_places(active[a], [&](std::int64_t place, std::int64_t count) {
        multiply_strip(c, down, first, last, c.shared + l.mid + l.mid_row * static_cast<std::size_t>(place),
                       count, second, kStripRows);
        for (std::int64_t i = 0; i < count; ++i) {
          const std::int32_t slot = slot_of[place + i];
          c.kernels->multiply_add(out + slot / l.k * l.hidden + first, second + i * kStripRows, weights[slot],
                                  last - first);
        }
      });
    }
  });
}

}  // namespace core
