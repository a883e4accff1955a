// HEIC and AVIF through libheif, where the build found it; rotations that the container asks for are
// libheif's work. The only file that knows whether the library is there.
#include "ggml-like-core/base/error.h"
#include "src/input/image_formats.h"

#ifdef TARSIER_HAS_LIBHEIF
#include <libheif/heif.h>

#include <algorithm>
#include <memory>
#endif

namespace tarsier {

#ifndef TARSIER_HAS_LIBHEIF

StoredImage decode_heif(Bytes, std::string_view name, const ImageOptions&) {
  core::fail(name,
             ": is a HEIC or AVIF picture, and this build has no libheif: build again with libheif-dev, or "
             "convert the picture");
}

#else

namespace {

template <class T, void (*release)(T*)>
struct Release {
  void operator()(T* p) const { release(p); }
};
void release_handle(heif_image_handle* p) { heif_image_handle_release(p); }
void release_image(heif_image* p) { heif_image_release(p); }

void check(const heif_error& error, std::string_view name) {
  if (error.code == heif_error_Ok) return;
  std::string_view reason = error.message == nullptr ? "libheif gives no reason" : error.message;
  while (reason.ends_with('\n')) reason.remove_suffix(1);
  core::fail(name, ": cannot be decoded: ", reason);
}

}  // namespace

StoredImage decode_heif(Bytes bytes, std::string_view name, const ImageOptions& options) {
  constexpr int kWide = 8;
  const std::unique_ptr<heif_context, Release<heif_context, heif_context_free> > context(
      heif_context_alloc());
  core::require(context != nullptr, name, ": libheif has no memory");
  check(heif_context_read_from_memory_without_copy(context.get(), bytes.data(), bytes.size(), nullptr), name);
  heif_image_handle* raw_handle = nullptr;
  check(heif_context_get_primary_image_handle(context.get(), &raw_handle), name);
  const std::unique_ptr<heif_image_handle, Release<heif_image_handle, release_handle> > handle(raw_handle);
  check_size(heif_image_handle_get_width(raw_handle), heif_image_handle_get_height(raw_handle), name,
             options);
  StoredImage out;
  out.transparent = heif_image_handle_has_alpha_channel(raw_handle) != 0;
  out.sixteen_bits = heif_image_handle_get_luma_bits_per_pixel(raw_handle) > kWide;
  const bool keep_alpha = out.transparent && options.background;
  const std::unique_ptr<heif_decoding_options, Release<heif_decoding_options, heif_decoding_options_free> >
      settings(heif_decoding_options_alloc());
  core::require(settings != nullptr, name, ": libheif has no memory");
  settings->ignore_transformations = options.rotate ? 0 : 1;
  settings->convert_hdr_to_8bit = 1;
  heif_image* raw_image = nullptr;
  check(heif_decode_image(raw_handle, &raw_image, heif_colorspace_RGB,
                          keep_alpha ? heif_chroma_interleaved_RGBA : heif_chroma_interleaved_RGB,
                          settings.get()),
        name);
  const std::unique_ptr<heif_image, Release<heif_image, release_image> > decoded(raw_image);
  const int width = heif_image_get_width(raw_image, heif_channel_interleaved);
  const int height = heif_image_get_height(raw_image, heif_channel_interleaved);
  out.image = checked_image(width, height, name, options);
  int stride = 0;
  const std::uint8_t* rows = heif_image_get_plane_readonly(raw_image, heif_channel_interleaved, &stride);
  core::require(rows != nullptr, name, ": libheif decoded no pixels");
  const auto columns = static_cast<std::size_t>(width);
  if (keep_alpha) out.alpha.resize(out.image.rgb.size() / 3);
  for (std::size_t y = 0; y < static_cast<std::size_t>(height); ++y) {
    const std::uint8_t* row = rows + y * static_cast<std::size_t>(stride);
    std::uint8_t* to = out.image.rgb.data() + y * columns * 3;
    if (keep_alpha)
      split_rgba(row, columns, to, out.alpha.data() + y * columns);
    else
      std::copy_n(row, columns * 3, to);
  }
  return out;
}

#endif

}  // namespace tarsier
