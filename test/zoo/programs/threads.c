/* Threads: their ids, locks that know their owner, storage of their own, what outlives none. */
#define _GNU_SOURCE
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static __thread int own = 5;
static pthread_key_t key;
static pthread_barrier_t barrier;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t condition = PTHREAD_COND_INITIALIZER;
static int turn, sum, destroyed;
static volatile int signalled;

static void destroy(void *value) { __atomic_add_fetch(&destroyed, value != NULL, __ATOMIC_SEQ_CST); }
static void on_signal(int number) { signalled += number == SIGUSR1; }

static void *work(void *number) {
  long self = (long)number;
  own += (int)self;
  pthread_setspecific(key, &own);
  pthread_barrier_wait(&barrier);
  pthread_mutex_lock(&lock);
  while (turn != self) pthread_cond_wait(&condition, &lock);
  sum = sum * 10 + own;
  turn++;
  pthread_cond_broadcast(&condition);
  pthread_mutex_unlock(&lock);
  return (void *)(self * self);
}

int main(void) {
  pthread_t threads[4];
  pthread_key_create(&key, destroy);
  pthread_barrier_init(&barrier, NULL, 4);
  for (long at = 0; at < 4; at++) pthread_create(&threads[at], NULL, work, (void *)at);
  long results = 0;
  for (int at = 0; at < 4; at++) {
    void *result;
    pthread_join(threads[at], &result);
    results += (long)result;
  }
  printf("sum %d results %ld destroyed %d own %d\n", sum, results, destroyed, own);
  pthread_mutexattr_t attributes;
  pthread_mutex_t robust;
  pthread_mutexattr_init(&attributes);
  pthread_mutexattr_settype(&attributes, PTHREAD_MUTEX_ERRORCHECK);
  pthread_mutexattr_setrobust(&attributes, PTHREAD_MUTEX_ROBUST);
  pthread_mutex_init(&robust, &attributes);
  int first = pthread_mutex_lock(&robust), second = pthread_mutex_lock(&robust);
  printf("lock %d again %d owner %d unlock %d\n", first, second, robust.__data.__owner == (int)syscall(SYS_gettid),
         pthread_mutex_unlock(&robust));
  void *list;
  size_t size;
  printf("robust list %d\n", syscall(SYS_get_robust_list, 0, &list, &size) == 0 && list != NULL && size == 24);
  signal(SIGUSR1, on_signal);
  raise(SIGUSR1);
  pthread_kill(pthread_self(), SIGUSR1);
  printf("signalled %d\n", signalled);
  sem_t semaphore;
  sem_init(&semaphore, 0, 1);
  printf("semaphore %d\n", sem_wait(&semaphore));
  return 3;
}
