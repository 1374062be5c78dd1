/* Files for a place without any: what is written goes nowhere, and none can be opened. The names are
 * C's own; a library that is linked to these does not link to those of wasi-libc, which would ask the
 * host for files. */
#include <stddef.h>

struct _IO_FILE;
typedef struct _IO_FILE FILE;

FILE *const stdin = NULL;
FILE *const stdout = NULL;
FILE *const stderr = NULL;

FILE *fopen(const char *name, const char *how) { return (void)name, (void)how, NULL; }
int fclose(FILE *file) { return (void)file, 0; }
int fflush(FILE *file) { return (void)file, 0; }
int fseek(FILE *file, long by, int from) { return (void)file, (void)by, (void)from, -1; }
int fprintf(FILE *file, const char *format, ...) { return (void)file, (void)format, 0; }
int vsnprintf(char *text, size_t room, const char *format, __builtin_va_list of) {
    /* Lines of a log, which nobody reads. */
    (void)format, (void)of;
    if (room)
        *text = 0;
    return 0;
}
int printf(const char *format, ...) { return (void)format, 0; }
size_t fwrite(const void *octets, size_t each, size_t count, FILE *file) {
    return (void)octets, (void)each, (void)file, count;
}
size_t fread(void *octets, size_t each, size_t count, FILE *file) {
    return (void)octets, (void)each, (void)count, (void)file, 0;
}

struct tm;
struct tm *localtime(const void *time) { return (void)time, NULL; }
size_t strftime(char *text, size_t room, const char *format, const struct tm *time) {
    (void)format, (void)time;
    if (room)
        *text = 0;
    return 0;
}
