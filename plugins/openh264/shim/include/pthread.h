/* POSIX threads for a place with one thread: locks are free, and no other thread can be had. */
#ifndef REMOLD_PTHREAD_H
#define REMOLD_PTHREAD_H

#include <errno.h>
#include <sched.h>
#include <sys/types.h>
#include <time.h>

#define __NEED_pthread_t
#define __NEED_pthread_attr_t
#define __NEED_pthread_mutex_t
#define __NEED_pthread_mutexattr_t
#define __NEED_pthread_cond_t
#define __NEED_pthread_condattr_t
#include <bits/alltypes.h>

#define PTHREAD_SCOPE_SYSTEM 0
#ifndef SCHED_FIFO
#define SCHED_FIFO 1
#endif

#ifdef __cplusplus
extern "C" {
#endif

static inline int pthread_mutex_init(pthread_mutex_t *mutex, const pthread_mutexattr_t *how) {
    (void)mutex, (void)how;
    return 0;
}
static inline int pthread_mutex_lock(pthread_mutex_t *mutex) { return (void)mutex, 0; }
static inline int pthread_mutex_unlock(pthread_mutex_t *mutex) { return (void)mutex, 0; }
static inline int pthread_mutex_destroy(pthread_mutex_t *mutex) { return (void)mutex, 0; }
static inline int pthread_cond_init(pthread_cond_t *some, const pthread_condattr_t *how) {
    return (void)some, (void)how, 0;
}
static inline int pthread_cond_destroy(pthread_cond_t *some) { return (void)some, 0; }
static inline int pthread_cond_signal(pthread_cond_t *some) { return (void)some, 0; }
static inline int pthread_cond_broadcast(pthread_cond_t *some) { return (void)some, 0; }
static inline int pthread_cond_wait(pthread_cond_t *some, pthread_mutex_t *mutex) {
    return (void)some, (void)mutex, 0;
}
static inline int pthread_cond_timedwait(pthread_cond_t *some, pthread_mutex_t *mutex,
                                         const struct timespec *until) {
    return (void)some, (void)mutex, (void)until, ETIMEDOUT;
}
static inline int pthread_attr_init(pthread_attr_t *how) { return (void)how, 0; }
static inline int pthread_attr_destroy(pthread_attr_t *how) { return (void)how, 0; }
static inline int pthread_attr_setscope(pthread_attr_t *how, int scope) { return (void)how, (void)scope, 0; }
static inline int pthread_attr_setschedpolicy(pthread_attr_t *how, int policy) {
    return (void)how, (void)policy, 0;
}
static inline int pthread_create(pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *), void *of) {
    (void)thread, (void)how, (void)run, (void)of;
    return EAGAIN;
}
static inline int pthread_join(pthread_t thread, void **result) { return (void)thread, (void)result, ESRCH; }
static inline pthread_t pthread_self(void) { return (pthread_t)1; }

#ifdef __cplusplus
}
#endif
#endif
