// Video files by FFmpeg's libraries. The file is demuxed once to count and order its frames; later reads seek
// to the key frame before each wanted one where that skips something, and leave out frames that no other
// needs.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cmath>
#include <cstring>
#include <limits>
#include <numeric>
#include <thread>
#include <utility>

#include "ggml-like-core/base/error.h"
#include "ggml-like-core/base/hash.h"
#include "src/input/image_formats.h"
#include "src/input/video/ffmpeg_library.h"
#include "src/input/video_file.h"
#include "src/input/video_frames.h"

namespace tarsier {
namespace {

constexpr int kIoBytes = 256 << 10;
constexpr std::size_t kMostFrames = std::size_t{1} << 26;  // an index of 1 GiB: 25 days at 30 a second
constexpr unsigned kMostThreads = 8;                       // each holds frames of its own
constexpr std::int64_t kMostPixels = std::int64_t{16384} * 16384;
constexpr std::size_t kNearby = 16;  // frames: decoding so many costs less than starting at a key frame

template <auto free>
struct Free {
  template <class T>
  void operator()(T* pointer) const {
    (ffmpeg().*free)(&pointer);
  }
};
using FormatPtr = std::unique_ptr<AVFormatContext, Free<&FfmpegLibrary::avformat_close_input>>;
using CodecPtr = std::unique_ptr<AVCodecContext, Free<&FfmpegLibrary::avcodec_free_context>>;
using FramePtr = std::unique_ptr<AVFrame, Free<&FfmpegLibrary::av_frame_free>>;
using PacketPtr = std::unique_ptr<AVPacket, Free<&FfmpegLibrary::av_packet_free>>;
struct FreeSws {
  void operator()(SwsContext* context) const { ffmpeg().sws_freeContext(context); }
};

std::string reason(int error) {
  char text[AV_ERROR_MAX_STRING_SIZE] = {};
  ffmpeg().av_strerror(error, text, sizeof text);
  return text;
}

bool stopped(const std::atomic<bool>* stop) { return stop != nullptr && stop->load(); }

// Bytes of one file for FFmpeg, which so cannot open any other: playlists inside files lead nowhere.
class FileBytes {
 public:
  FileBytes(const std::string& path, const std::atomic<bool>* stop) : stop_(stop) {
    fd_ = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    core::require(fd_ >= 0, path, ": ", std::string_view(std::strerror(errno)));
    struct stat info {};
    const bool regular = ::fstat(fd_, &info) == 0 && S_ISREG(info.st_mode);
    size_ = regular ? info.st_size : 0;
    if (!regular || size_ == 0) {
      ::close(fd_);
      core::fail(path, regular ? ": is empty, expected a video" : ": is no file, expected a video");
    }
    auto* buffer = static_cast<unsigned char*>(ffmpeg().av_malloc(kIoBytes));
    io_ = ffmpeg().avio_alloc_context(buffer, kIoBytes, 0, this, read, nullptr, seek);
  }
  ~FileBytes() {
    ffmpeg().av_freep(&io_->buffer);
    ffmpeg().avio_context_free(&io_);
    ::close(fd_);
  }
  FileBytes(const FileBytes&) = delete;
  FileBytes& operator=(const FileBytes&) = delete;
  AVIOContext* io() const { return io_; }

 private:
  static int read(void* self, std::uint8_t* out, int count) {
    auto* file = static_cast<FileBytes*>(self);
    if (stopped(file->stop_)) return AVERROR_EXIT;
    const ::ssize_t n = ::pread(file->fd_, out, static_cast<std::size_t>(count), file->at_);
    if (n <= 0) return n == 0 ? AVERROR_EOF : AVERROR(errno);
    file->at_ += n;
    return static_cast<int>(n);
  }
  static std::int64_t seek(void* self, std::int64_t offset, int whence) {
    auto* file = static_cast<FileBytes*>(self);
    if ((whence & AVSEEK_SIZE) != 0) return file->size_;
    const int from = whence & ~AVSEEK_FORCE;
    const std::int64_t base = from == SEEK_SET ? 0 : from == SEEK_CUR ? file->at_ : file->size_;
    if (base + offset < 0) return AVERROR(EINVAL);
    file->at_ = base + offset;
    return file->at_;
  }

  const std::atomic<bool>* stop_;
  int fd_ = -1;
  std::int64_t size_ = 0, at_ = 0;
  AVIOContext* io_ = nullptr;
};

// The display matrix of a stream; nullptr: none.
const std::int32_t* display_matrix(const AVStream* stream) {
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
  const AVCodecParameters* p = stream->codecpar;
  const auto* data =
      ffmpeg().av_packet_side_data_get(p->coded_side_data, p->nb_coded_side_data, AV_PKT_DATA_DISPLAYMATRIX);
  return data == nullptr ? nullptr : reinterpret_cast<const std::int32_t*>(data->data);
#else
  return reinterpret_cast<const std::int32_t*>(
      ffmpeg().av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, nullptr));
#endif
}

// As the EXIF orientation that does the same, to the nearest quarter of a turn. The matrix sends (x, y) to
// (m[0] x + m[3] y, m[1] x + m[4] y).
int orientation_of_matrix(const std::int32_t* m) {
  if (m == nullptr) return 1;
  const auto size = [](std::int32_t x) { return std::abs(static_cast<double>(x)); };
  if (size(m[0]) + size(m[4]) >= size(m[1]) + size(m[3]))
    return m[0] >= 0 ? (m[4] >= 0 ? 1 : 4) : (m[4] >= 0 ? 2 : 3);
  return m[3] >= 0 ? (m[1] >= 0 ? 5 : 8) : (m[1] >= 0 ? 6 : 7);
}

// A file that is open, and the video stream in it.
class Input {
 public:
  Input(const std::string& path, const std::atomic<bool>* stop) : bytes_(path, stop) {
    ffmpeg().av_log_set_level(AV_LOG_QUIET);
    AVFormatContext* raw = ffmpeg().avformat_alloc_context();
    raw->pb = bytes_.io();
    raw->interrupt_callback = {
        [](void* flag) { return stopped(static_cast<const std::atomic<bool>*>(flag)) ? 1 : 0; },
        const_cast<std::atomic<bool>*>(stop)};
    raw->protocol_whitelist = ffmpeg().av_strdup("");  // nothing beside the bytes that we hand over
    int status =
        ffmpeg().avformat_open_input(&raw, path.c_str(), nullptr, nullptr);  // frees it where it fails
    core::require(status == 0, path, ": is not a video that FFmpeg reads: ", reason(status));
    format_.reset(raw);
    status = ffmpeg().avformat_find_stream_info(raw, nullptr);
    core::require(status >= 0, path, ": is not a video that FFmpeg reads: ", reason(status));
    const int best = ffmpeg().av_find_best_stream(raw, AVMEDIA_TYPE_VIDEO, -1, -1, nullptr, 0);
    core::require(best >= 0, path, ": holds no video",
                  raw->nb_streams > 0 ? ", only sound or text" : ": the file is damaged or cut off");
    stream_ = raw->streams[best];
    core::require((stream_->disposition & AV_DISPOSITION_ATTACHED_PIC) == 0, path,
                  ": holds no video, only sound and a cover picture");
    const AVCodecParameters* p = stream_->codecpar;
    codec_ = ffmpeg().avcodec_find_decoder(p->codec_id);
    core::require(codec_ != nullptr, path, ": no decoder for ",
                  std::string_view(ffmpeg().avcodec_get_name(p->codec_id)), " in FFmpeg's libraries here");
    core::require(p->width > 0 && p->height > 0, path, ": its frames have no size (", p->width, " x ",
                  p->height, "): the file is damaged or cut off");
    core::require(std::int64_t{p->width} * p->height <= kMostPixels, path, ": has frames of ", p->width,
                  " x ", p->height, " pixels, at most ", kMostPixels, " are accepted");
    for (unsigned i = 0; i < raw->nb_streams; ++i)
      if (raw->streams[i] != stream_) raw->streams[i]->discard = AVDISCARD_ALL;
  }
  AVFormatContext* format() const { return format_.get(); }
  AVStream* stream() const { return stream_; }
  const AVCodec* codec() const { return codec_; }
  double seconds(std::int64_t ticks) const {
    return static_cast<double>(ticks) * stream_->time_base.num / stream_->time_base.den;
  }
  // The next packet of the stream. False: there is none.
  bool next(AVPacket* packet) const {
    for (;;) {
      ffmpeg().av_packet_unref(packet);
      if (ffmpeg().av_read_frame(format_.get(), packet) < 0) return false;
      if (packet->stream_index == stream_->index) return true;
    }
  }

 private:
  FileBytes bytes_;
  FormatPtr format_;
  AVStream* stream_ = nullptr;
  const AVCodec* codec_ = nullptr;
};

std::int64_t time_of(const AVPacket& p) { return p.pts != AV_NOPTS_VALUE ? p.pts : p.dts; }
std::int64_t time_of(const AVFrame& f) { return f.pts != AV_NOPTS_VALUE ? f.pts : f.pkt_dts; }

// Frames -> upright RGB. In one pass without scaling, in the matrix and range that the frame names.
class ToRgb {
 public:
  explicit ToRgb(int orientation) : orientation_(orientation) {}

  Image operator()(const AVFrame& frame) {
    const Form form{frame.width, frame.height, frame.format, frame.colorspace, frame.color_range};
    if (context_ == nullptr || !(form == form_)) prepare(form);
    // Vector code writes up to the end of an aligned row.
    const std::size_t stride = (static_cast<std::size_t>(frame.width) * 3 + 63) / 64 * 64 + 64;
    rows_.resize(stride * static_cast<std::size_t>(frame.height));
    std::uint8_t* planes[4] = {rows_.data(), nullptr, nullptr, nullptr};
    const int strides[4] = {static_cast<int>(stride), 0, 0, 0};
    ffmpeg().sws_scale(context_.get(), frame.data, frame.linesize, 0, frame.height, planes, strides);
    Image image{frame.width, frame.height, {}};
    const std::size_t row = static_cast<std::size_t>(frame.width) * 3;
    image.rgb.resize(row * static_cast<std::size_t>(frame.height));
    for (std::size_t y = 0; y < static_cast<std::size_t>(frame.height); ++y)
      std::memcpy(image.rgb.data() + y * row, rows_.data() + y * stride, row);
    return upright(std::move(image), orientation_);
  }

 private:
  struct Form {
    int width, height, format;
    AVColorSpace space;
    AVColorRange range;
    bool operator==(const Form&) const = default;
  };
  void prepare(const Form& form) {
    core::require(form.width > 0 && form.height > 0 && std::int64_t{form.width} * form.height <= kMostPixels,
                  "video: a frame of ", form.width, " x ", form.height, " pixels");
    context_.reset(ffmpeg().sws_getContext(form.width, form.height, static_cast<AVPixelFormat>(form.format),
                                           form.width, form.height, AV_PIX_FMT_RGB24, 0, nullptr, nullptr,
                                           nullptr));
    core::require(context_ != nullptr, "video: its pixel format (number ", form.format,
                  ") has no way to RGB in FFmpeg's libraries here");
    int* inverse = nullptr;
    int* table = nullptr;
    int from = 0;
    int to = 0;
    int brightness = 0;
    int contrast = 0;
    int saturation = 0;
    if (ffmpeg().sws_getColorspaceDetails(context_.get(), &inverse, &from, &table, &to, &brightness,
                                          &contrast, &saturation) >= 0) {
      if (form.range != AVCOL_RANGE_UNSPECIFIED) from = form.range == AVCOL_RANGE_JPEG ? 1 : 0;
      const int* matrix = ffmpeg().sws_getCoefficients(form.space);
      ffmpeg().sws_setColorspaceDetails(context_.get(), matrix, from, matrix, to, brightness, contrast,
                                        saturation);
    }
    form_ = form;
  }

  int orientation_;
  std::unique_ptr<SwsContext, FreeSws> context_;
  Form form_{};
  std::vector<std::uint8_t> rows_;
};

class FfmpegFile final : public VideoFile {
 public:
  explicit FfmpegFile(std::string path) : path_(std::move(path)) {
    const Input input(path_, nullptr);
    const AVCodecParameters* p = input.stream()->codecpar;
    orientation_ = orientation_of_matrix(display_matrix(input.stream()));
    info_.codec = ffmpeg().avcodec_get_name(p->codec_id);
    info_.size = orientation_ >= 5 ? Size{p->width, p->height} : Size{p->height, p->width};
    core::Hash hash;
    hash.add(info_.codec);
    hash.add(static_cast<std::uint64_t>(orientation_));
    hash.add(std::as_bytes(std::span(p->extradata, static_cast<std::size_t>(p->extradata_size))));
    scan(input, hash);
    info_.hash = hash.value();
  }

  const VideoInfo& info() const override { return info_; }
  bool read(std::span<const int> indices, const VideoSink& sink, const std::atomic<bool>* stop,
            int threads) const override;

 private:
  void scan(const Input& input, core::Hash& hash);
  bool read_frames(std::span<const int> indices, const VideoSink& sink, const std::atomic<bool>* stop,
                   int threads) const;

  std::string path_;
  VideoInfo info_;
  int orientation_ = 1;
  bool counted_ = false;             // some packets have no time: the time of a frame is its number
  std::vector<std::int64_t> times_;  // of the frames in the order in which they are shown, in ticks
  std::vector<std::size_t> keys_;    // which of them are key frames
};

void FfmpegFile::scan(const Input& input, core::Hash& hash) {
  struct Frame {
    std::int64_t time;
    bool key;
  };
  std::vector<Frame> frames;
  std::int64_t end = std::numeric_limits<std::int64_t>::min();
  const PacketPtr packet(ffmpeg().av_packet_alloc());
  const bool reorders = input.stream()->codecpar->video_delay > 0;
  while (input.next(packet.get())) {
    if ((packet->flags & AV_PKT_FLAG_DISCARD) != 0) continue;  // cut away by the container
    core::require(frames.size() < kMostFrames, path_, ": has more than ", kMostFrames, " frames");
    const std::int64_t time = time_of(*packet);
    counted_ = counted_ || time == AV_NOPTS_VALUE || (packet->pts == AV_NOPTS_VALUE && reorders);
    frames.push_back({time, (packet->flags & AV_PKT_FLAG_KEY) != 0});
    end = std::max(end, time + packet->duration);
    hash.add(static_cast<std::uint64_t>(time));
    hash.add(std::as_bytes(std::span(packet->data, static_cast<std::size_t>(packet->size))));
  }
  core::require(!frames.empty(), path_, ": holds no frames: the file is cut off");
  const double stated = av_q2d(input.stream()->r_frame_rate);
  info_.frames = static_cast<int>(frames.size());
  if (counted_) {
    times_.resize(frames.size());
    std::iota(times_.begin(), times_.end(), std::int64_t{0});
    if (stated > 0) info_.fps = stated;
    info_.seconds = info_.frames / info_.fps.value_or(kAssumedVideoFps);
    return;
  }
  std::stable_sort(frames.begin(), frames.end(),
                   [](const Frame& a, const Frame& b) { return a.time < b.time; });
  for (const Frame& f : frames) {
    if (f.key) keys_.push_back(times_.size());
    times_.push_back(f.time);
  }
  info_.seconds = input.seconds(end) - input.seconds(times_.front());
  if (info_.seconds > 0)
    info_.fps = info_.frames / info_.seconds;
  else if (stated > 0)
    info_.fps = stated;
  if (!info_.fps) return;
  std::vector<double> seconds;
  seconds.reserve(times_.size());
  for (const std::int64_t time : times_) seconds.push_back(input.seconds(time - times_.front()));
  if (!come_evenly(seconds, *info_.fps)) info_.times = std::move(seconds);
}

// Hands out the wanted frames of one pass over a file.
class Reader {
 public:
  Reader(const Input& input, std::span<const std::int64_t> times, std::span<const std::size_t> keys,
         bool counted, int threads)
      : input_(input),
        times_(times),
        keys_(keys),
        counted_(counted),
        codec_(ffmpeg().avcodec_alloc_context3(input.codec())) {
    core::require(codec_ != nullptr &&
                      ffmpeg().avcodec_parameters_to_context(codec_.get(), input.stream()->codecpar) >= 0,
                  "video: no memory for its decoder");
    const unsigned wanted =
        threads > 0 ? static_cast<unsigned>(threads) : std::thread::hardware_concurrency();
    codec_->thread_count = static_cast<int>(std::clamp(wanted, 1U, kMostThreads));
    codec_->pkt_timebase = input.stream()->time_base;
    codec_->max_pixels = kMostPixels;
    const int status = ffmpeg().avcodec_open2(codec_.get(), input.codec(), nullptr);
    core::require(status == 0, "video: its decoder does not start: ", reason(status));
  }

  // The frame at or after the one of this number; nullptr: there is none any more, or stop.
  // wanted: whether a frame of this time is to come out at all.
  template <class Wanted>
  const AVFrame* frame(std::size_t index, const Wanted& wanted, const std::atomic<bool>* stop) {
    const std::int64_t target = times_[index];
    if (have_ && now_ >= target) return frame_.get();
    seek_towards(index);
    for (;;) {
      if (stopped(stop)) return nullptr;
      const int status = ffmpeg().avcodec_receive_frame(codec_.get(), frame_.get());
      if (status == 0) {
        now_ = counted_ ? (have_ ? now_ + 1 : 0) : time_of(*frame_);
        have_ = true;
        if (now_ >= target) return frame_.get();
        continue;
      }
      if (status == AVERROR_EOF) return nullptr;
      if (ended_) return nullptr;
      if (!input_.next(packet_.get())) {
        ended_ = true;
        if (stopped(stop) || ffmpeg().avcodec_send_packet(codec_.get(), nullptr) < 0) return nullptr;
        continue;
      }
      last_ = time_of(*packet_);
      // A frame that no other is made from, and nobody wants, costs nothing.
      codec_->skip_frame = counted_ || wanted(last_) ? AVDISCARD_DEFAULT : AVDISCARD_NONREF;
      ffmpeg().avcodec_send_packet(codec_.get(),
                                   packet_.get());  // a damaged packet gives no frame, and the next ones do
    }
  }

 private:
  // Which of the key frames is the last at or before this frame.
  std::size_t key_before(std::int64_t time) const {
    const auto above = std::upper_bound(keys_.begin(), keys_.end(), time,
                                        [&](std::int64_t t, std::size_t key) { return t < times_[key]; });
    return above == keys_.begin() ? 0 : *(above - 1);
  }
  void seek_towards(std::size_t index) {
    if (keys_.empty()) return;  // as where frames are counted
    const std::size_t key = key_before(times_[index]);
    const std::size_t from =
        last_ == AV_NOPTS_VALUE ? 0
                                : static_cast<std::size_t>(
                                      std::lower_bound(times_.begin(), times_.end(), last_) - times_.begin());
    if (key <= from + kNearby) return;
    const std::int64_t to = times_[key];
    if (ffmpeg().avformat_seek_file(input_.format(), input_.stream()->index,
                                    std::numeric_limits<std::int64_t>::min(), to, to, 0) < 0)
      return;  // a file that cannot be sought in is read on
    ffmpeg().avcodec_flush_buffers(codec_.get());
    ended_ = have_ = false;
  }

  const Input& input_;
  std::span<const std::int64_t> times_;
  std::span<const std::size_t> keys_;
  bool counted_;
  CodecPtr codec_;
  FramePtr frame_{ffmpeg().av_frame_alloc()};
  PacketPtr packet_{ffmpeg().av_packet_alloc()};
  bool have_ = false, ended_ = false;
  std::int64_t now_ = 0;                // of the frame
  std::int64_t last_ = AV_NOPTS_VALUE;  // of the packet sent last
};

bool FfmpegFile::read(std::span<const int> indices, const VideoSink& sink, const std::atomic<bool>* stop,
                      int threads) const {
  try {
    return read_frames(indices, sink, stop, threads);
  } catch (const core::Error&) {
    if (stopped(stop)) return false;  // opening it was what was stopped
    throw;
  }
}

bool FfmpegFile::read_frames(std::span<const int> indices, const VideoSink& sink,
                             const std::atomic<bool>* stop, int threads) const {
  const Input input(path_, stop);
  Reader reader(input, times_, keys_, counted_, threads);
  ToRgb to_rgb(orientation_);
  std::vector<std::int64_t> wanted;
  for (const int i : indices) wanted.push_back(times_.at(static_cast<std::size_t>(i)));
  const auto is_wanted = [&](std::int64_t t) { return std::binary_search(wanted.begin(), wanted.end(), t); };
  Image last;
  for (const int i : indices) {
    const AVFrame* frame = reader.frame(static_cast<std::size_t>(i), is_wanted, stop);
    if (stopped(stop)) return false;
    if (frame != nullptr) last = to_rgb(*frame);
    core::require(!last.rgb.empty(), path_, ": none of its frames can be decoded (", info_.codec, ")");
    if (!sink(last)) return false;
  }
  return true;
}

}  // namespace

std::shared_ptr<const VideoFile> open_video_file(const std::string& path) {
  try {
    ffmpeg();
  } catch (const core::Error& error) {
    core::fail(path, ": video files cannot be read: ", std::string_view(error.what()),
               "; a folder of pictures can");
  }
  return std::make_shared<const FfmpegFile>(path);
}

bool reads_video_files() {
  try {
    ffmpeg();
    return true;
  } catch (const core::Error&) {
    return false;
  }
}

}  // namespace tarsier
