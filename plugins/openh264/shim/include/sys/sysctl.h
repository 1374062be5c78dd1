/* There is one processor, and nobody to ask. */
#ifndef REMOLD_SYSCTL_H
#define REMOLD_SYSCTL_H

#include <stddef.h>

static inline int sysctlbyname(const char *name, void *old, size_t *size, void *now, size_t count) {
    (void)name, (void)size, (void)now, (void)count;
    *(int *)old = 1;
    return 0;
}

#endif
