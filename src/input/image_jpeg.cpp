// JPEG through libjpeg-turbo: the slow integer DCT and smooth upsampling, as Pillow uses them. libjpeg
// reports errors by longjmp, so everything with a destructor lives outside the functions that call setjmp.
// clang-format off
#include <cstdio>  // before jpeglib.h, which needs FILE
#include <jpeglib.h>
#include <jerror.h>
// clang-format on

#include <csetjmp>
#include <cstring>
#include <string>
#include <vector>

#include "ggml-like-core/base/error.h"
#include "src/input/image_formats.h"

namespace tarsier {
namespace {

constexpr int kMostScans = 500;                   // a progressive file of more costs minutes to decode
constexpr std::int64_t kMostPixelsPerByte = 512;  // a block of 64 pixels takes at least one bit

struct ErrorManager {
  jpeg_error_mgr base;  // first: libjpeg hands us its address
  std::jmp_buf on_error;
  char message[JMSG_LENGTH_MAX];
};

[[noreturn]] void leave(j_common_ptr info) {
  auto* errors = reinterpret_cast<ErrorManager*>(info->err);
  errors->base.format_message(info, errors->message);
  std::longjmp(errors->on_error, 1);
}

// Level -1 is a warning: corrupt data that libjpeg would paint over. Where data is missing the file is
// refused.
void on_message(j_common_ptr info, int level) {
  const int code = info->err->msg_code;
  if (level == -1 && (code == JWRN_JPEG_EOF || code == JWRN_HIT_MARKER)) leave(info);
}

void on_progress(j_common_ptr info) {
  const auto* jpeg = reinterpret_cast<j_decompress_ptr>(info);
  if (jpeg->input_scan_number <= kMostScans) return;
  auto* errors = reinterpret_cast<ErrorManager*>(info->err);
  std::strncpy(errors->message, "too many scans", sizeof errors->message);
  std::longjmp(errors->on_error, 1);
}

class Reader {
 public:
  Reader(Bytes bytes, std::string_view name) : bytes_(bytes), name_(name) {
    jpeg_.err = jpeg_std_error(&errors_.base);
    errors_.base.error_exit = leave;
    errors_.base.emit_message = on_message;
    errors_.message[0] = 0;
    progress_.progress_monitor = on_progress;
    core::require(create(), name, ": ", errors_.message);
    jpeg_.progress = &progress_;
  }
  ~Reader() { jpeg_destroy_decompress(&jpeg_); }
  Reader(const Reader&) = delete;
  Reader& operator=(const Reader&) = delete;

  StoredImage read(const ImageOptions& options) {
    core::require(read_header(), name_, ": ", errors_.message);
    const std::int64_t width = jpeg_.image_width;
    const std::int64_t height = jpeg_.image_height;
    core::require(jpeg_.num_components == 1 || jpeg_.num_components == 3 || jpeg_.num_components == 4, name_,
                  ": has ", jpeg_.num_components, " colour components, expected 1, 3 or 4");
    core::require(
        jpeg_.arith_code || width * height / kMostPixelsPerByte <= static_cast<std::int64_t>(bytes_.size()),
        name_, ": is truncated, ", width, " x ", height, " pixels cannot be in ", bytes_.size(), " bytes");
    StoredImage out;
    out.image = checked_image(width, height, name_, options);
    out.orientation = orientation();
    std::vector<std::uint8_t> row(static_cast<std::size_t>(width) *
                                  static_cast<std::size_t>(jpeg_.num_components));
    core::require(read_pixels(out.image.rgb.data(), row.data()), name_, ": ", errors_.message);
    return out;
  }

 private:
  bool create() {
    if (setjmp(errors_.on_error) != 0) return false;
    jpeg_create_decompress(&jpeg_);
    return true;
  }
  bool read_header() {
    if (setjmp(errors_.on_error) != 0) return false;
    jpeg_mem_src(&jpeg_, reinterpret_cast<const unsigned char*>(bytes_.data()), bytes_.size());
    jpeg_save_markers(&jpeg_, JPEG_APP0 + 1, 0xffff);
    jpeg_read_header(&jpeg_, TRUE);
    return true;
  }
  bool read_pixels(std::uint8_t* rgb, std::uint8_t* row) {
    if (setjmp(errors_.on_error) != 0) return false;
    const int components = jpeg_.num_components;
    jpeg_.out_color_space = components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK;
    jpeg_.dct_method = JDCT_ISLOW;
    jpeg_.do_fancy_upsampling = TRUE;
    jpeg_start_decompress(&jpeg_);
    const std::size_t row_bytes = std::size_t{jpeg_.output_width} * 3;
    while (jpeg_.output_scanline < jpeg_.output_height) {
      std::uint8_t* target = rgb + jpeg_.output_scanline * row_bytes;
      JSAMPROW rows[1] = {components == 3 ? target : row};
      jpeg_read_scanlines(&jpeg_, rows, 1);
      if (components == 1) spread_grey(target, row, jpeg_.output_width);
      if (components == 4) mix_cmyk(target, row, jpeg_.output_width);
    }
    jpeg_finish_decompress(&jpeg_);
    return true;
  }
  static void spread_grey(std::uint8_t* rgb, const std::uint8_t* grey, std::size_t n) {
    for (std::size_t x = 0; x < n; ++x) rgb[3 * x] = rgb[3 * x + 1] = rgb[3 * x + 2] = grey[x];
  }
  // Adobe stores 255 - ink.
  static void mix_cmyk(std::uint8_t* rgb, const std::uint8_t* cmyk, std::size_t n) {
    for (std::size_t x = 0; x < n; ++x, rgb += 3, cmyk += 4) {
      std::uint8_t ink[4];
      for (int c = 0; c < 4; ++c) ink[c] = static_cast<std::uint8_t>(255 - cmyk[c]);
      cmyk_to_rgb(rgb, ink);
    }
  }
  // EXIF may be spread over several markers; of XMP the last one counts.
  int orientation() const {
    constexpr std::string_view kExif("Exif\0\0", 6);
    constexpr std::string_view kXmp("http://ns.adobe.com/xap/1.0/\0", 29);
    std::vector<std::byte> exif;
    std::string_view xmp;
    for (const auto* marker = jpeg_.marker_list; marker != nullptr; marker = marker->next) {
      const std::string_view data(reinterpret_cast<const char*>(marker->data), marker->data_length);
      const auto* bytes = reinterpret_cast<const std::byte*>(marker->data);
      if (data.starts_with(kExif)) exif.insert(exif.end(), bytes + kExif.size(), bytes + data.size());
      if (data.starts_with(kXmp)) xmp = data.substr(kXmp.size());
    }
    return orientation_of(exif, xmp);
  }

  Bytes bytes_;
  std::string_view name_;
  jpeg_decompress_struct jpeg_{};
  ErrorManager errors_{};
  jpeg_progress_mgr progress_{};
};

}  // namespace

StoredImage decode_jpeg(Bytes bytes, std::string_view name, const ImageOptions& options) {
  return Reader(bytes, name).read(options);
}

}  // namespace tarsier
