/* The physical limit of one process per activation: threads that start the action with posix_spawn(3) and
 * one stdout pipe, read it to its end and wait. No HTTP, no stdin, no stderr.
 *
 *   spawn-loop ACTION THREADS SECONDS
 *
 * Prints one line of JSON: the rate over all threads, and the latency percentiles of the first. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MAX_SAMPLES (1 << 18)

extern char **environ;

static const char *action;
static volatile int stopping;

struct worker {
  pthread_t thread;
  long activations;
  long samples;
  double *latencies;
};

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static void activate(void) {
  int ends[2];
  char buffer[4096];
  char *arguments[] = {(char *)action, "{}", NULL};
  posix_spawn_file_actions_t actions;
  pid_t pid;
  int status;
  ssize_t count, total = 0;

  if (pipe2(ends, O_CLOEXEC) != 0) fail("pipe2");
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, ends[1], 1);
  if (posix_spawn(&pid, action, &actions, NULL, arguments, environ) != 0) fail("posix_spawn");
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  while ((count = read(ends[0], buffer, sizeof buffer)) > 0) total += count;
  close(ends[0]);
  if (waitpid(pid, &status, 0) != pid || status != 0 || total == 0) fail("the action failed");
}

static void *work(void *argument) {
  struct worker *worker = argument;
  while (!stopping) {
    double begun = now();
    activate();
    if (worker->samples < MAX_SAMPLES) worker->latencies[worker->samples++] = now() - begun;
    worker->activations++;
  }
  return NULL;
}

static int rising(const void *a, const void *b) {
  double x = *(const double *)a, y = *(const double *)b;
  return (x > y) - (x < y);
}

int main(int argc, char **argv) {
  if (argc != 4) {
    fprintf(stderr, "usage: spawn-loop ACTION THREADS SECONDS\n");
    return 2;
  }
  action = argv[1];
  int threads = atoi(argv[2]);
  double seconds = atof(argv[3]);
  struct worker *workers = calloc((size_t)threads, sizeof *workers);
  double begun = now();
  for (int index = 0; index < threads; index++) {
    workers[index].latencies = malloc(MAX_SAMPLES * sizeof(double));
    pthread_create(&workers[index].thread, NULL, work, &workers[index]);
  }
  usleep((useconds_t)(seconds * 1e6));
  stopping = 1;
  long activations = 0;
  for (int index = 0; index < threads; index++) {
    pthread_join(workers[index].thread, NULL);
    activations += workers[index].activations;
  }
  double elapsed = now() - begun;
  struct worker *first = &workers[0];
  qsort(first->latencies, (size_t)first->samples, sizeof(double), rising);
  printf("{\"threads\":%d,\"seconds\":%.3f,\"activations\":%ld,\"ratePerSecond\":%.1f,\"p50Us\":%.1f,\"p99Us\":%.1f}\n",
         threads, elapsed, activations, (double)activations / elapsed,
         first->latencies[first->samples / 2] * 1e6, first->latencies[first->samples * 99 / 100] * 1e6);
  return 0;
}
