/* OpenH264 as a plugin calls it: plain functions around its C++ interface. */
#ifndef REMOLD_SHIM_H
#define REMOLD_SHIM_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct rm_encoder rm_encoder;
typedef struct rm_decoder rm_decoder;

/* A picture that was decoded: planes that stay until the next call. */
typedef struct {
    const uint8_t *planes[3];
    int32_t strides[2];
    int32_t width, height;
    uint64_t time;
} rm_picture;

/* One layer, one thread, CAVLC; null where the library refuses. */
rm_encoder *rm_encoder_new(int32_t width, int32_t height, float fps, int32_t bit_rate, int32_t level,
                           int32_t key_every);
void rm_encoder_free(rm_encoder *encoder);
/* Codes a frame, Y, then Cb, then Cr. Octets in `out`, which stays until the next call; 0 where the
 * frame is left out, below 0 where it fails. */
int32_t rm_encoder_push(rm_encoder *encoder, const uint8_t *i420, int64_t time_ms, int32_t key,
                        const uint8_t **out, int32_t *is_key);

rm_decoder *rm_decoder_new(void);
void rm_decoder_free(rm_decoder *decoder);
/* Takes NAL units with start codes, or none to go on; 1 where there is a picture, 0 where there is
 * none, below 0 where the units are damaged. */
int32_t rm_decoder_push(rm_decoder *decoder, const uint8_t *data, int32_t length, uint64_t time,
                        rm_picture *picture);
/* The next of the pictures that are left at the end; 1 where there is one. */
int32_t rm_decoder_flush(rm_decoder *decoder, rm_picture *picture);

#ifdef __cplusplus
}
#endif
#endif
