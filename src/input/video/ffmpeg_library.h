// FFmpeg's functions, found when the first video is opened. Linked, its hundred libraries would be loaded at
// every start of the program, which takes longer than all the rest of it.
#pragma once

extern "C" {
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/display.h>
#include <libswscale/swscale.h>
}

namespace tarsier {

// All that is used: F(library, function), a macro since the names are wanted as members and as text.
// FFmpeg 6.1 moved the display matrix of a stream.
#if LIBAVFORMAT_VERSION_INT >= AV_VERSION_INT(60, 15, 100)
// NOLINTNEXTLINE(cppcoreguidelines-macro-usage)
#define TARSIER_FFMPEG_SIDE_DATA(F) F(avcodec, av_packet_side_data_get)
#else
// NOLINTNEXTLINE(cppcoreguidelines-macro-usage)
#define TARSIER_FFMPEG_SIDE_DATA(F) F(avformat, av_stream_get_side_data)
#endif
// NOLINTNEXTLINE(cppcoreguidelines-macro-usage)
#define TARSIER_FFMPEG_FUNCTIONS(F)         \
  F(avformat, av_find_best_stream)          \
  F(avformat, av_read_frame)                \
  F(avformat, avformat_alloc_context)       \
  F(avformat, avformat_close_input)         \
  F(avformat, avformat_find_stream_info)    \
  F(avformat, avformat_open_input)          \
  F(avformat, avformat_seek_file)           \
  F(avformat, avio_alloc_context)           \
  F(avformat, avio_context_free)            \
  F(avcodec, av_packet_alloc)               \
  F(avcodec, av_packet_free)                \
  F(avcodec, av_packet_unref)               \
  F(avcodec, avcodec_alloc_context3)        \
  F(avcodec, avcodec_find_decoder)          \
  F(avcodec, avcodec_flush_buffers)         \
  F(avcodec, avcodec_free_context)          \
  F(avcodec, avcodec_get_name)              \
  F(avcodec, avcodec_open2)                 \
  F(avcodec, avcodec_parameters_to_context) \
  F(avcodec, avcodec_receive_frame)         \
  F(avcodec, avcodec_send_packet)           \
  F(avutil, av_frame_alloc)                 \
  F(avutil, av_frame_free)                  \
  F(avutil, av_freep)                       \
  F(avutil, av_log_set_level)               \
  F(avutil, av_malloc)                      \
  F(avutil, av_strdup)                      \
  F(avutil, av_strerror)                    \
  F(swscale, sws_freeContext)               \
  F(swscale, sws_getCoefficients)           \
  F(swscale, sws_getColorspaceDetails)      \
  F(swscale, sws_getContext)                \
  F(swscale, sws_scale)                     \
  F(swscale, sws_setColorspaceDetails)      \
  TARSIER_FFMPEG_SIDE_DATA(F)

struct FfmpegLibrary {
// NOLINTNEXTLINE(cppcoreguidelines-macro-usage, bugprone-macro-parentheses)
#define TARSIER_FFMPEG_MEMBER(library, function) decltype(&::function) function;
  TARSIER_FFMPEG_FUNCTIONS(TARSIER_FFMPEG_MEMBER)
#undef TARSIER_FFMPEG_MEMBER
};

// Loads the libraries of the version that the program was built with, once. Error: which cannot be had, and
// why.
const FfmpegLibrary& ffmpeg();

}  // namespace tarsier
