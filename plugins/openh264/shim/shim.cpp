// Plain functions around the C++ interface of OpenH264, and what C++ asks of its surroundings.

#include "shim.h"

#include <stdlib.h>
#include <string.h>

#include "codec_api.h"
#include "codec_app_def.h"
#include "codec_def.h"

struct rm_encoder {
    ISVCEncoder *codec;
    int32_t width, height;
    uint8_t *out;
    size_t room;
};

struct rm_decoder {
    ISVCDecoder *codec;
};

extern "C" rm_encoder *rm_encoder_new(int32_t width, int32_t height, float fps, int32_t bit_rate,
                                      int32_t level, int32_t key_every) {
    ISVCEncoder *codec = nullptr;
    if (WelsCreateSVCEncoder(&codec) || !codec)
        return nullptr;
    int quiet = WELS_LOG_QUIET, format = videoFormatI420;
    codec->SetOption(ENCODER_OPTION_TRACE_LEVEL, &quiet);
    SEncParamExt how;
    codec->GetDefaultParams(&how);
    how.iUsageType = CAMERA_VIDEO_REAL_TIME;
    how.iPicWidth = width;
    how.iPicHeight = height;
    how.fMaxFrameRate = fps;
    how.iTargetBitrate = bit_rate;
    how.iMaxBitrate = UNSPECIFIED_BIT_RATE;
    how.iRCMode = RC_BITRATE_MODE;
    how.bEnableFrameSkip = true;
    how.uiIntraPeriod = (unsigned)key_every;
    how.iMultipleThreadIdc = 1;
    how.iEntropyCodingModeFlag = 0;
    how.eSpsPpsIdStrategy = CONSTANT_ID;
    how.iSpatialLayerNum = 1;
    how.iTemporalLayerNum = 1;
    SSpatialLayerConfig &layer = how.sSpatialLayers[0];
    layer.iVideoWidth = width;
    layer.iVideoHeight = height;
    layer.fFrameRate = fps;
    layer.iSpatialBitrate = bit_rate;
    layer.iMaxSpatialBitrate = UNSPECIFIED_BIT_RATE;
    layer.uiProfileIdc = PRO_BASELINE;
    layer.uiLevelIdc = (ELevelIdc)level;
    layer.sSliceArgument.uiSliceMode = SM_SINGLE_SLICE;
    if (codec->InitializeExt(&how) || codec->SetOption(ENCODER_OPTION_DATAFORMAT, &format)) {
        WelsDestroySVCEncoder(codec);
        return nullptr;
    }
    rm_encoder *encoder = (rm_encoder *)calloc(1, sizeof *encoder);
    if (!encoder) {
        WelsDestroySVCEncoder(codec);
        return nullptr;
    }
    encoder->codec = codec;
    encoder->width = width;
    encoder->height = height;
    return encoder;
}

extern "C" void rm_encoder_free(rm_encoder *encoder) {
    encoder->codec->Uninitialize();
    WelsDestroySVCEncoder(encoder->codec);
    free(encoder->out);
    free(encoder);
}

extern "C" int32_t rm_encoder_push(rm_encoder *encoder, const uint8_t *i420, int64_t time_ms, int32_t key,
                                   const uint8_t **out, int32_t *is_key) {
    const int32_t width = encoder->width, height = encoder->height;
    SSourcePicture picture;
    memset(&picture, 0, sizeof picture);
    picture.iColorFormat = videoFormatI420;
    picture.iPicWidth = width;
    picture.iPicHeight = height;
    picture.iStride[0] = width;
    picture.iStride[1] = picture.iStride[2] = width / 2;
    picture.pData[0] = const_cast<uint8_t *>(i420);
    picture.pData[1] = picture.pData[0] + (size_t)width * height;
    picture.pData[2] = picture.pData[1] + (size_t)width * height / 4;
    picture.uiTimeStamp = time_ms;
    if (key)
        encoder->codec->ForceIntraFrame(true);
    SFrameBSInfo made;
    memset(&made, 0, sizeof made);
    if (encoder->codec->EncodeFrame(&picture, &made))
        return -1;
    if (made.eFrameType == videoFrameTypeSkip || made.eFrameType == videoFrameTypeInvalid)
        return 0;
    size_t length = 0;
    for (int at = 0; at < made.iLayerNum; at++) {
        const SLayerBSInfo &layer = made.sLayerInfo[at];
        size_t octets = 0;
        for (int nal = 0; nal < layer.iNalCount; nal++)
            octets += layer.pNalLengthInByte[nal];
        if (length + octets > encoder->room) {
            size_t room = (length + octets) * 2;
            uint8_t *more = (uint8_t *)realloc(encoder->out, room);
            if (!more)
                return -1;
            encoder->out = more;
            encoder->room = room;
        }
        memcpy(encoder->out + length, layer.pBsBuf, octets);
        length += octets;
    }
    *out = encoder->out;
    *is_key = made.eFrameType == videoFrameTypeIDR;
    return (int32_t)length;
}

extern "C" rm_decoder *rm_decoder_new(void) {
    ISVCDecoder *codec = nullptr;
    if (WelsCreateDecoder(&codec) || !codec)
        return nullptr;
    int quiet = WELS_LOG_QUIET;
    codec->SetOption(DECODER_OPTION_TRACE_LEVEL, &quiet);
    SDecodingParam how;
    memset(&how, 0, sizeof how);
    how.sVideoProperty.eVideoBsType = VIDEO_BITSTREAM_AVC;
    how.uiTargetDqLayer = (uint8_t)-1;
    how.eEcActiveIdc = ERROR_CON_SLICE_COPY;
    rm_decoder *decoder = (rm_decoder *)calloc(1, sizeof *decoder);
    if (!decoder || codec->Initialize(&how)) {
        free(decoder);
        WelsDestroyDecoder(codec);
        return nullptr;
    }
    decoder->codec = codec;
    return decoder;
}

extern "C" void rm_decoder_free(rm_decoder *decoder) {
    decoder->codec->Uninitialize();
    WelsDestroyDecoder(decoder->codec);
    free(decoder);
}

static int32_t shown(const SBufferInfo &info, unsigned char **planes, rm_picture *picture) {
    if (info.iBufferStatus != 1 || !planes[0])
        return 0;
    const SSysMEMBuffer &buffer = info.UsrData.sSystemBuffer;
    for (int at = 0; at < 3; at++)
        picture->planes[at] = planes[at];
    picture->strides[0] = buffer.iStride[0];
    picture->strides[1] = buffer.iStride[1];
    picture->width = buffer.iWidth;
    picture->height = buffer.iHeight;
    picture->time = info.uiOutYuvTimeStamp;
    return 1;
}

extern "C" int32_t rm_decoder_push(rm_decoder *decoder, const uint8_t *data, int32_t length, uint64_t time,
                                   rm_picture *picture) {
    unsigned char *planes[3] = {nullptr, nullptr, nullptr};
    SBufferInfo info;
    memset(&info, 0, sizeof info);
    info.uiInBsTimeStamp = time;
    int state = decoder->codec->DecodeFrame2(length ? data : nullptr, length, planes, &info);
    int32_t some = shown(info, planes, picture);
    // What could be concealed was.
    const int fatal = dsBitstreamError | dsNoParamSets | dsInvalidArgument | dsInitialOptExpected |
                      dsOutOfMemory;
    return !some && (state & fatal) ? -1 : some;
}

extern "C" int32_t rm_decoder_flush(rm_decoder *decoder, rm_picture *picture) {
    int left = 0;
    decoder->codec->GetOption(DECODER_OPTION_NUM_OF_FRAMES_REMAINING_IN_BUFFER, &left);
    if (left <= 0)
        return 0;
    unsigned char *planes[3] = {nullptr, nullptr, nullptr};
    SBufferInfo info;
    memset(&info, 0, sizeof info);
    decoder->codec->FlushFrame(planes, &info);
    return shown(info, planes, picture);
}

#ifdef __wasm__
// The library is compiled without exceptions and without a C++ runtime: this is all it needs of one.
void *operator new(size_t size) {
    void *block = malloc(size ? size : 1);
    if (!block)
        abort();
    return block;
}
void *operator new[](size_t size) { return operator new(size); }
void operator delete(void *block) noexcept { free(block); }
void operator delete[](void *block) noexcept { free(block); }
void operator delete(void *block, size_t) noexcept { free(block); }
void operator delete[](void *block, size_t) noexcept { free(block); }
extern "C" void __cxa_pure_virtual(void) { abort(); }
extern "C" int __cxa_atexit(void (*)(void *), void *, void *) { return 0; }
#endif
