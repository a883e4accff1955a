// Many short texts in one piece of memory: a vocabulary is read, copied and dropped without an allocation for
// each word.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <iterator>
#include <string>
#include <string_view>
#include <vector>

namespace core {

class TextList {
 public:
  class Iterator {
   public:
    using iterator_category = std::forward_iterator_tag;
    using value_type = std::string_view;
    using difference_type = std::ptrdiff_t;
    using pointer = const std::string_view*;
    using reference = std::string_view;
    Iterator() = default;
    Iterator(const TextList& list, std::size_t at) : list_(&list), at_(at) {}
    std::string_view operator*() const { return (*list_)[at_]; }
    Iterator& operator++() { return ++at_, *this; }
    Iterator operator++(int) { return {*list_, at_++}; }
    bool operator==(const Iterator&) const = default;

   private:
    const TextList* list_ = nullptr;
    std::size_t at_ = 0;
  };
  using iterator = Iterator;
  using const_iterator = Iterator;
  using value_type = std::string_view;

  TextList() = default;
  TextList(std::initializer_list<std::string_view> texts) { append(texts); }
  // NOLINTNEXTLINE(google-explicit-constructor): the same list, owned otherwise
  TextList(const std::vector<std::string>& texts) { append(texts); }

  std::size_t size() const { return ends_.size(); }
  bool empty() const { return ends_.empty(); }
  // Valid until the list changes.
  std::string_view operator[](std::size_t i) const {
    const std::size_t begin = i == 0 ? 0 : ends_[i - 1];
    return {bytes_.data() + begin, ends_[i] - begin};
  }
  // Asks the processor for what [] reads.
  void prefetch(std::size_t i) const { __builtin_prefetch(&ends_[i]); }
  Iterator begin() const { return {*this, 0}; }
  Iterator end() const { return {*this, size()}; }

  void reserve(std::size_t texts) { ends_.reserve(texts); }
  void push_back(std::string_view text) {
    bytes_ += text;
    ends_.push_back(bytes_.size());
  }
  // Leaves the first n, or all if there are less.
  void truncate(std::size_t n) {
    if (n >= size()) return;
    ends_.resize(n);
    bytes_.resize(n == 0 ? 0 : ends_.back());
  }

  bool operator==(const TextList&) const = default;

 private:
  template <class Texts>
  void append(const Texts& texts) {
    reserve(texts.size());
    for (const std::string_view text : texts) push_back(text);
  }

  std::string bytes_;              // of all texts, one after another
  std::vector<std::size_t> ends_;  // of each text in bytes_
};

}  // namespace core
