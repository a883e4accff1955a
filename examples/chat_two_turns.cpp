// Two questions about one picture. The second turn reads only what is new: picture and first turn are still
// in the session.
//   chat_two_turns MODEL.gguf PICTURE [FIRST SECOND]
#include <cstdio>

#include "src/engine.h"

namespace {

tarsier::Message message(const char* role, const std::string& text) {
  tarsier::ContentPart part;
  part.text = text;
  return {.role = role, .content = {part}, .reasoning_content = {}, .tool_calls = {}};
}

int chat(const char* model_path, const char* picture, const char* first, const char* second) {
  const auto model = tarsier::Model::open(model_path);
  tarsier::Session session(model);
  tarsier::Conversation conversation = tarsier::question(first, {picture});
  for (const char* next : {second, static_cast<const char*>(nullptr)}) {
    const int read_before = session.stats().prompt_tokens;
    const int kept_before = session.stats().reused_tokens;
    const auto answer = tarsier::generate(session, model->prompt(conversation));
    std::printf("%s\n(%d tokens read, %d still there)\n", answer.text.c_str(),
                session.stats().prompt_tokens - read_before, session.stats().reused_tokens - kept_before);
    if (next == nullptr) break;
    conversation.messages.push_back(message("assistant", answer.text));
    conversation.messages.push_back(message("user", next));
  }
  return 0;
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 3 && argc != 5) {
    std::fprintf(stderr, "usage: chat_two_turns MODEL.gguf PICTURE [FIRST SECOND]\n");
    return 2;
  }
  try {
    return chat(argv[1], argv[2], argc == 5 ? argv[3] : "Describe this image.",
                argc == 5 ? argv[4] : "How many shapes are there?");
  } catch (const core::Error& error) {
    std::fprintf(stderr, "chat_two_turns: %s\n", error.what());
    return 1;
  }
}
