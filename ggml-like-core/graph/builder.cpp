#include "ggml-like-core/graph/builder.h"

#include <type_traits>
#include <utility>

namespace core {
namespace {

std::string shape_text(const ValueInfo& v) {
  return "[" + std::to_string(v.rows) + ", " + std::to_string(v.cols) + "]";
}

constexpr std::string_view kOpNames[] = {"embed_rows",       "select_rows",       "add_rows",   "gather_rows",
                                         "interpolate_rows", "slice_cols",        "add",        "silu_mul",
                                         "mat_mul",          "rms_norm",          "layer_norm", "rope",
                                         "cached_attention", "segment_attention", "top_k",      "experts"};
static_assert(std::size(kOpNames) == std::variant_size_v<Op>, "one name an operation");

}  // namespace

std::string_view op_name(const Op& op) { return kOpNames[op.index()]; }

double op_work(const Graph& graph, const Node& node, std::int64_t past) {
  const ValueInfo& out = graph.info(node.outputs[0]);
  const auto size = static_cast<double>(out.rows * out.cols);
  const auto n = static_cast<double>(out.rows);
  if (const auto* op = std::get_if<MatMul>(&node.op)) {
    double weights = 0;
    for (int p = 0; p < op->count; ++p) {
      const Weight& w = *op->parts[p].weight;
      weights += static_cast<double>(w.rows) * static_cast<double>(w.cols);
    }
    return 2 * n * weights;
  }
  if (const auto* op = std::get_if<Experts>(&node.op)) {
    const auto slots = static_cast<double>(graph.info(node.inputs[1]).cols);
    return 6 * size * slots * static_cast<double>(op->gate->rows);
  }
  if (std::holds_alternative<CachedAttention>(node.op)) return 4 * size * (static_cast<double>(past) + n / 2);
  if (std::holds_alternative<SegmentAttention>(node.op)) {
    const auto segments = static_cast<double>(graph.info(node.inputs[3]).rows - 1);
    return 4 * size * n / segments;
  }
  return size;
}

Builder::Scope::Scope(Builder& builder, std::string_view name)
    : builder_(&builder), length_(builder.scope_.size()) {
  builder.scope_.append(name).append(".");
}
Builder::Scope::~Scope() { builder_->scope_.resize(length_); }

template <class... T>
void Builder::want(bool ok, std::string_view op, const T&... part) const {
  require(ok, scope_, op, ": ", part...);
}

Value Builder::declare(std::string_view name, std::int64_t rows, std::int64_t cols, DType dtype) {
  want(rows > 0 && cols > 0, name, "found shape [", rows, ", ", cols,
       "], wanted at least one row and one column");
  graph_.values.push_back({.name = scope_ + std::string(name), .dtype = dtype, .rows = rows, .cols = cols});
  return {static_cast<int>(graph_.values.size()) - 1};
}

Value Builder::node(Op op, std::vector<Value> inputs, std::int64_t rows, std::int64_t cols) {
  const Value out = declare(op_name(op), rows, cols);
  graph_.nodes.push_back({.op = op, .inputs = std::move(inputs), .outputs = {out}});
  return out;
}

Value Builder::input(std::string_view name, std::int64_t rows, std::int64_t cols, DType dtype) {
  const Value v = declare(name, rows, cols, dtype);
  graph_.values.back().input = true;
  return v;
}

Value Builder::name(Value v, std::string_view name) {
  ValueInfo& info = graph_.values[static_cast<std::size_t>(v.id)];
  info.name = scope_ + std::string(name);
  info.named = true;
  return v;
}

Value Builder::output(Value v) {
  graph_.values[static_cast<std::size_t>(v.id)].output = true;
  return v;
}

Value Builder::embed_rows(const Weight& table, Value ids) {
  want(info(ids).dtype == DType::i32 && info(ids).cols == 1, "embed_rows", "ids are ", shape_text(info(ids)),
       ", wanted i32 [n, 1]");
  return node(EmbedRows{&table}, {ids}, info(ids).rows, table.cols);
}

Value Builder::select_rows(Value x, Value rows, Value index) {
  want(info(rows).cols == info(x).cols, "select_rows", "rows are ", shape_text(info(rows)), ", x is ",
       shape_text(info(x)));
  want(info(index).rows == info(x).rows, "select_rows", "index is ", shape_text(info(index)), ", x is ",
       shape_text(info(x)));
  return node(SelectRows{}, {x, rows, index}, info(x).rows, info(x).cols);
}

Value Builder::add_rows(Value x, Value rows, Value index) {
  want(info(rows).cols == info(x).cols, "add_rows", "rows are ", shape_text(info(rows)), ", x is ",
       shape_text(info(x)));
  want(info(index).rows == info(x).rows, "add_rows", "index is ", shape_text(info(index)), ", x is ",
       shape_text(info(x)));
  return node(AddRows{}, {x, rows, index}, info(x).rows, info(x).cols);
}

Value Builder::gather_rows(Value x, Value index) {
  return node(GatherRows{}, {x, index}, info(index).rows, info(x).cols);
}

Value Builder::interpolate_rows(const Weight& table, Value index, Value weight) {
  want(info(index).rows == info(weight).rows && info(index).cols == info(weight).cols, "interpolate_rows",
       "index is ", shape_text(info(index)), ", weight is ", shape_text(info(weight)));
  return node(InterpolateRows{&table}, {index, weight}, info(index).rows, table.cols);
}

Value Builder::slice_cols(Value x, std::int64_t first, std::int64_t count) {
  want(first >= 0 && first + count <= info(x).cols, "slice_cols", "columns ", first, " to ", first + count,
       " of ", shape_text(info(x)));
  return node(SliceCols{first}, {x}, info(x).rows, count);
}

Value Builder::reshape(Value x, std::int64_t rows, std::int64_t cols) {
  want(rows * cols == info(x).rows * info(x).cols, "reshape", shape_text(info(x)), " cannot become [", rows,
       ", ", cols, "]");
  const Value v = declare("reshape", rows, cols);
  const int target = info(x).alias_of >= 0 ? info(x).alias_of : x.id;
  graph_.values.back().alias_of = target;
  return v;
}

Value Builder::add(Value a, Value b) {
  want(info(a).rows == info(b).rows && info(a).cols == info(b).cols, "add", shape_text(info(a)), " and ",
       shape_text(info(b)));
  return node(Add{}, {a, b}, info(a).rows, info(a).cols);
}

Value Builder::silu_mul(Value gate, Value up) {
  want(info(gate).rows == info(up).rows && info(gate).cols == info(up).cols, "silu_mul",
       shape_text(info(gate)), " and ", shape_text(info(up)));
  return node(SiluMul{}, {gate, up}, info(gate).rows, info(gate).cols);
}

Value Builder::mat_mul(Value x, const Weight& weight, const Weight* bias, Activation activation) {
  want(info(x).cols == weight.cols && weight.experts == 1, "mat_mul", weight.name, " has rows of ",
       weight.cols, ", x is ", shape_text(info(x)));
  want(bias == nullptr || bias->cols == weight.rows, "mat_mul", weight.name, " has ", weight.rows,
       " rows and a bias of another length");
  return node(MatMul{.parts = {{&weight, bias, activation}}}, {x, Value{}}, info(x).rows, weight.rows);
}

Value Builder::rms_norm(Value x, const Weight& gain, float eps) {
  want(gain.cols > 0 && info(x).cols % gain.cols == 0, "rms_norm", gain.name, " has ", gain.cols,
       " columns, x is ", shape_text(info(x)));
  return node(RmsNorm{&gain, eps}, {x}, info(x).rows, info(x).cols);
}

Value Builder::layer_norm(Value x, const Weight& gain, const Weight& bias, float eps) {
  want(gain.cols == info(x).cols && bias.cols == gain.cols, "layer_norm", gain.name, " has ", gain.cols,
       " columns, x is ", shape_text(info(x)));
  return node(LayerNorm{&gain, &bias, eps}, {x}, info(x).rows, info(x).cols);
}

Value Builder::rope(Value x, Value cos, Value sin, std::int64_t head_dim, bool pairs) {
  want(info(x).cols % head_dim == 0 && head_dim % 2 == 0, "rope", "x is ", shape_text(info(x)),
       ", heads are ", head_dim, " wide");
  for (const Value table : {cos, sin})
    want(info(table).cols == head_dim && info(table).rows == info(x).rows, "rope", "table is ",
         shape_text(info(table)), ", x is ", shape_text(info(x)));
  return node(Rope{head_dim, pairs}, {x, cos, sin}, info(x).rows, info(x).cols);
}

Value Builder::cached_attention(Value q, Value k, Value v, const CachedAttention& op) {
  want(op.kv_heads > 0 && op.heads % op.kv_heads == 0, "cached_attention", op.heads, " heads share ",
       op.kv_heads, " key and value heads");
  want(info(q).cols == op.heads * op.head_dim, "cached_attention", "q is ", shape_text(info(q)));
  for (const Value x : {k, v})
    want(info(x).cols == op.kv_heads * op.head_dim && info(x).rows == info(q).rows, "cached_attention",
         "k or v is ", shape_text(info(x)));
  return node(op, {q, k, v}, info(q).rows, info(q).cols);
}

Value Builder::segment_attention(Value q, Value k, Value v, Value segments, const SegmentAttention& op) {
  for (const Value x : {q, k, v})
    want(info(x).cols == op.heads * op.head_dim && info(x).rows == info(q).rows, "segment_attention",
         "q, k or v is ", shape_text(info(x)));
  want(info(segments).rows >= 2, "segment_attention", "segments are ", shape_text(info(segments)));
  return node(op, {q, k, v, segments}, info(q).rows, info(q).cols);
}

Builder::Routing Builder::top_k(Value logits, std::int64_t k, Value forced) {
  want(k > 0 && k <= info(logits).cols, "top_k", k, " of ", info(logits).cols, " experts");
  const Value weights = node(TopK{k}, {logits, forced}, info(logits).rows, k);
  const Value ids = declare("top_k_ids", info(logits).rows, k, DType::i32);
  graph_.nodes.back().outputs.push_back(ids);
  return {weights, ids};
}

Value Builder::experts(Value x, const Routing& routing, const Weight& gate, const Weight& up,
                       const Weight& down) {
  const std::int64_t hidden = info(x).cols;
  want(gate.cols == hidden && up.cols == hidden && up.rows == gate.rows && down.cols == gate.rows &&
           down.rows == hidden && gate.experts == up.experts && gate.experts == down.experts,
       "experts", gate.name, " and its siblings do not fit x ", shape_text(info(x)));
  return node(Experts{&gate, &up, &down}, {x, routing.weights, routing.ids}, info(x).rows, hidden);
}

Graph Builder::build() && { return std::move(graph_); }

}  // namespace core
