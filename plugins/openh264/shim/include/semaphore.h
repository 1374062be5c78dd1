/* Semaphores for a place with one thread: nobody is there to wait for. */
#ifndef REMOLD_SEMAPHORE_H
#define REMOLD_SEMAPHORE_H

#include <time.h>

typedef struct {
    int value;
} sem_t;

#define SEM_FAILED ((sem_t *)0)

#ifdef __cplusplus
extern "C" {
#endif

static inline int sem_init(sem_t *sem, int shared, unsigned value) {
    (void)shared;
    sem->value = (int)value;
    return 0;
}
static inline int sem_destroy(sem_t *sem) { return (void)sem, 0; }
static inline int sem_post(sem_t *sem) { return sem->value++, 0; }
static inline int sem_wait(sem_t *sem) { return sem->value--, 0; }
static inline int sem_trywait(sem_t *sem) { return sem->value > 0 ? (sem->value--, 0) : -1; }
static inline int sem_timedwait(sem_t *sem, const struct timespec *until) {
    (void)until;
    return sem_trywait(sem);
}
static inline int sem_getvalue(sem_t *sem, int *value) { return *value = sem->value, 0; }

#ifdef __cplusplus
}
#endif
#endif
