/* Codes and decodes AMR with the library as this machine runs it, to measure the plugin against:
 *
 *   native encode MODE ROUNDS < samples > frames
 *   native decode ROUNDS < frames > samples
 *
 * Samples are 16 bits in the machine's order at 8 kHz; frames are as in a file, without its first line.
 * The least seconds of the rounds go to stderr. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

void *Encoder_Interface_init(int dtx);
void Encoder_Interface_exit(void *state);
int Encoder_Interface_Encode(void *state, int mode, const short *speech, unsigned char *out, int force);
void *Decoder_Interface_init(void);
void Decoder_Interface_exit(void *state);
void Decoder_Interface_Decode(void *state, const unsigned char *in, short *out, int bad);

static const int OCTETS[16] = {12, 13, 15, 17, 19, 20, 26, 31, 5};

static double now(void) {
    struct timespec time;
    clock_gettime(CLOCK_MONOTONIC, &time);
    return time.tv_sec + time.tv_nsec / 1e9;
}

int main(int count, char **words) {
    int encode = count > 3 && !strcmp(words[1], "encode");
    int rounds = atoi(words[count - 1]);
    size_t room = 64 << 20, length;
    unsigned char *in = malloc(room), *out = malloc(room);
    length = fread(in, 1, room, stdin);
    double least = 1e9;
    size_t made = 0;
    for (int round = 0; round < rounds; round++) {
        double begun = now();
        made = 0;
        if (encode) {
            void *state = Encoder_Interface_init(0);
            for (size_t at = 0; at + 320 <= length; at += 320) {
                short speech[160];
                memcpy(speech, in + at, 320);
                made += Encoder_Interface_Encode(state, atoi(words[2]), speech, out + made, 0);
            }
            Encoder_Interface_exit(state);
        } else {
            void *state = Decoder_Interface_init();
            for (size_t at = 0; at < length;) {
                int octets = OCTETS[in[at] >> 3 & 15];
                if (at + 1 + octets > length)
                    break;
                Decoder_Interface_Decode(state, in + at, (short *)(out + made), 0);
                made += 320;
                at += 1 + octets;
            }
            Decoder_Interface_exit(state);
        }
        double took = now() - begun;
        if (took < least)
            least = took;
    }
    fwrite(out, 1, made, stdout);
    fprintf(stderr, "%.6f\n", least);
    return 0;
}
