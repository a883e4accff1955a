#include "src/chat/dialogue.h"

#include <algorithm>
#include <charconv>
#include <cstdio>

#include "ggml-like-core/base/error.h"

namespace tarsier::chat {
namespace {

const char* role_name(Role role) { return role == Role::user ? "user" : "assistant"; }

constexpr int kHashDigits = 16;

// Each option of a clip and its name.
template <class Options, class Visit>
void visit_options(Options& o, const Visit& visit) {
  visit("fps", o.fps);
  visit("min_frames", o.min_frames);
  visit("max_frames", o.max_frames);
  visit("max_pixels", o.max_pixels);
  visit("start", o.start);
  visit("end", o.end);
}

Json to_json(const AttachedVideo& v) {
  char hash[kHashDigits + 1] = {};
  std::snprintf(hash, sizeof hash, "%016llx", static_cast<unsigned long long>(v.hash));
  Json out = {{"path", v.path}, {"hash", hash}};
  visit_options(v.options, [&](const char* name, const auto& value) {
    if (value) out[name] = *value;
  });
  return out;
}

AttachedVideo video_of(const Json& json) {
  AttachedVideo out{.path = json.at("path").get<std::string>()};
  const auto hash = json.at("hash").get<std::string>();
  const auto [end, error] = std::from_chars(hash.data(), hash.data() + hash.size(), out.hash, 16);
  core::require(error == std::errc{} && end == hash.data() + hash.size(), "a video has no hash");
  visit_options(out.options, [&](const char* name, auto& value) {
    using Value = typename std::remove_reference_t<decltype(value)>::value_type;
    if (json.contains(name)) value = json.at(name).get<Value>();
  });
  reopen(out);
  return out;
}

Json to_json(const Attachment& a) {
  Json pictures = Json::array();
  for (const Picture& p : a.pictures) {
    pictures.push_back({{"name", p.name}, {"sha256", p.sha256}, {"width", p.width}, {"height", p.height}});
    if (!p.options.rotate) pictures.back()["rotate"] = false;
    if (p.options.background) pictures.back()["background"] = name_of(p.options.background);
  }
  Json out = {{"name", a.name}, {"pictures", pictures}};
  if (a.clip) out["fps"] = a.fps;
  if (a.limits) out["pixels"] = {a.limits->min_pixels, a.limits->max_pixels};
  if (a.video) out["video"] = to_json(*a.video);
  return out;
}

Json to_json(const Turn& t) {
  Json out = {{"turn", t.id}, {"parent", t.parent}, {"role", role_name(t.role)}, {"text", t.text}};
  if (!t.thinking.empty()) out["thinking"] = t.thinking;
  for (const Attachment& a : t.attached) out["media"].push_back(to_json(a));
  if (!t.ids.empty()) out["ids"] = t.ids;
  if (!t.finish.empty()) out["finish"] = t.finish;
  if (!t.stats.is_null()) out["stats"] = t.stats;
  return out;
}

Attachment attachment_of(const Json& json, const PictureSource& pictures) {
  Attachment out{.name = json.at("name").get<std::string>()};
  for (const Json& p : json.at("pictures")) {
    Picture picture{.name = p.at("name").get<std::string>(),
                    .sha256 = p.at("sha256").get<std::string>(),
                    .width = p.at("width").get<int>(),
                    .height = p.at("height").get<int>()};
    picture.options.rotate = p.value("rotate", true);
    picture.options.background = background_named(p.value("background", "none"));
    core::require(picture.sha256.find_first_not_of("0123456789abcdef") == std::string::npos &&
                      picture.sha256.size() == 64,
                  "a picture has no SHA-256");
    picture.bytes = pictures(picture.sha256);
    out.pictures.push_back(std::move(picture));
  }
  core::require(!out.pictures.empty(), "an attachment has no pictures");
  if (json.contains("fps")) {
    out.clip = true;
    out.fps = json.at("fps").get<double>();
    core::require(out.fps > 0, "a clip has no frames a second");
  }
  if (json.contains("video")) out.video = video_of(json.at("video"));
  if (json.contains("pixels")) {
    const auto limits = json.at("pixels").get<std::array<std::int64_t, 2>>();
    core::require(0 < limits[0] && limits[0] <= limits[1], "limits of pixels that no picture fits");
    out.limits = PixelLimits{limits[0], limits[1]};
  }
  return out;
}

Turn turn_of(const Json& json, const PictureSource& pictures) {
  Turn out{.id = json.at("turn").get<int>(), .parent = json.at("parent").get<int>()};
  const auto role = json.at("role").get<std::string>();
  core::require(role == "user" || role == "assistant", "role ", role, ", wanted user or assistant");
  out.role = role == "user" ? Role::user : Role::assistant;
  out.text = json.at("text").get<std::string>();
  out.thinking = json.value("thinking", "");
  if (json.contains("media"))
    for (const Json& media : json.at("media")) out.attached.push_back(attachment_of(media, pictures));
  if (json.contains("ids")) out.ids = json.at("ids").get<std::vector<int>>();
  out.finish = json.value("finish", "");
  out.stats = json.value("stats", Json());
  return out;
}

}  // namespace

std::vector<const Turn*> Dialogue::path() const {
  std::vector<const Turn*> out;
  for (int id = head_; id != 0; id = turn(id).parent) out.push_back(&turn(id));
  std::reverse(out.begin(), out.end());
  return out;
}

const Turn* Dialogue::last(Role role) const {
  for (int id = head_; id != 0; id = turn(id).parent)
    if (turn(id).role == role) return &turn(id);
  return nullptr;
}

void Dialogue::put(Turn turn) {
  core::require(turn.id == static_cast<int>(turns_.size()) + 1, "turn ", turn.id, " comes after turn ",
                turns_.size());
  core::require(turn.parent >= 0 && turn.parent < turn.id, "turn ", turn.id, " stands behind turn ",
                turn.parent);
  head_ = turn.id;
  turns_.push_back(std::move(turn));
}

const Turn& Dialogue::add(Turn turn) {
  turn.id = static_cast<int>(turns_.size()) + 1;
  turn.parent = head_;
  put(std::move(turn));
  tell(to_json(turns_.back()));
  return turns_.back();
}

void Dialogue::move_head(int id) {
  core::bug_if(id < 0 || id > static_cast<int>(turns_.size()), "the head moves to a turn that is not there");
  if (head_ == id) return;
  head_ = id;
  tell({{"head", id}});
}

void Dialogue::set_system(std::string text) {
  system_ = std::move(text);
  tell({{"system", system_}});
}

void Dialogue::keep_setting(const std::string& name, const std::string& value) {
  if (value.empty())
    settings_.erase(name);
  else
    settings_[name] = value;
}

void Dialogue::set(const std::string& name, const std::string& value) {
  keep_setting(name, value);
  tell({{"set", name}, {"value", value}});
}

void Dialogue::mark(const std::string& name, int turn) {
  marks_[name] = turn;
  tell({{"mark", name}, {"at", turn}});
}

void Dialogue::unmark(const std::string& name) {
  marks_.erase(name);
  tell({{"unmark", name}});
}

void Dialogue::apply(const Json& record, const PictureSource& pictures) {
  try {
    core::require(record.is_object(), "not an object");
    const auto known_turn = [&](const char* key) {
      const int id = record.at(key).get<int>();
      core::require(id >= 0 && id <= static_cast<int>(turns_.size()), "there is no turn ", id);
      return id;
    };
    if (record.contains("turn"))
      put(turn_of(record, pictures));
    else if (record.contains("head"))
      head_ = known_turn("head");
    else if (record.contains("system"))
      system_ = record.at("system").get<std::string>();
    else if (record.contains("set"))
      keep_setting(record.at("set").get<std::string>(), record.at("value").get<std::string>());
    else if (record.contains("mark"))
      marks_[record.at("mark").get<std::string>()] = known_turn("at");
    else if (record.contains("unmark"))
      marks_.erase(record.at("unmark").get<std::string>());
    // Records of other kinds are later additions to the format, and do not change what is said here.
  } catch (const Json::exception& e) {
    core::fail(std::string_view(e.what()));
  }
}

std::vector<Json> Dialogue::records() const {
  std::vector<Json> out;
  out.push_back({{"system", system_}});
  for (const auto& [name, value] : settings_) out.push_back({{"set", name}, {"value", value}});
  for (const Turn& t : turns_) out.push_back(to_json(t));
  for (const auto& [name, turn] : marks_) out.push_back({{"mark", name}, {"at", turn}});
  if (!turns_.empty() && head_ != static_cast<int>(turns_.size())) out.push_back({{"head", head_}});
  return out;
}

}  // namespace tarsier::chat
