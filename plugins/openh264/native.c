/* Codes and decodes H.264 with the library as this machine runs it, to measure the plugin against:
 *
 *   native encode WIDTH HEIGHT MILLIHERTZ BIT_RATE LEVEL ROUNDS < planes > units
 *   native decode ROUNDS < units > planes
 *
 * Planes are 4:2:0 frame by frame. In front of the units of a frame stands their length, four octets in
 * the machine's order. The least seconds of the rounds go to stderr. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "shim.h"

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

static unsigned char *out;
static size_t made;

static void put(const void *octets, size_t length) {
    memcpy(out + made, octets, length);
    made += length;
}

static void show(const rm_picture *picture) {
    for (int at = 0; at < 3; at++) {
        int part = at ? 2 : 1;
        for (int row = 0; row < (picture->height + part - 1) / part; row++)
            put(picture->planes[at] + row * picture->strides[at > 0], (picture->width + part - 1) / part);
    }
}

static void encode(char **words, const unsigned char *in, size_t length) {
    int width = atoi(words[2]), height = atoi(words[3]);
    double fps = atoi(words[4]) / 1000.0;
    rm_encoder *encoder =
        rm_encoder_new(width, height, (float)fps, atoi(words[5]), atoi(words[6]), (int)(fps * 10 + 0.5));
    size_t frame = (size_t)width * height * 3 / 2, count = 0;
    for (size_t at = 0; at + frame <= length; at += frame, count++) {
        const uint8_t *units;
        int32_t key;
        /* As a track of that rate is timed: whole microseconds, of which whole milliseconds count. */
        int64_t ms = (int64_t)(count * 1000000000ull / atoi(words[4])) / 1000;
        int32_t octets = rm_encoder_push(encoder, in + at, ms, 0, &units, &key);
        if (octets > 0) {
            put(&octets, 4);
            put(units, octets);
        }
    }
    rm_encoder_free(encoder);
}

static void decode(const unsigned char *in, size_t length) {
    rm_decoder *decoder = rm_decoder_new();
    rm_picture picture;
    uint64_t time = 0;
    for (size_t at = 0; at + 4 <= length; time++) {
        int32_t octets;
        memcpy(&octets, in + at, 4);
        if (rm_decoder_push(decoder, in + at + 4, octets, time, &picture) == 1)
            show(&picture);
        if (rm_decoder_push(decoder, NULL, 0, time, &picture) == 1)
            show(&picture);
        at += 4 + octets;
    }
    while (rm_decoder_flush(decoder, &picture) == 1)
        show(&picture);
    rm_decoder_free(decoder);
}

int main(int count, char **words) {
    int encodes = count > 7 && !strcmp(words[1], "encode");
    size_t room = 256 << 20;
    unsigned char *in = malloc(room);
    out = malloc(room);
    size_t length = fread(in, 1, room, stdin);
    double least = 1e9;
    for (int round = atoi(words[count - 1]); round > 0; round--) {
        double begun = now();
        made = 0;
        if (encodes)
            encode(words, in, length);
        else
            decode(in, length);
        double took = now() - begun;
        if (took < least)
            least = took;
    }
    fwrite(out, 1, made, stdout);
    fprintf(stderr, "%.6f\n", least);
    return 0;
}
