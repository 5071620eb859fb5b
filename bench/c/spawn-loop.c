/*
 * How fast this machine can start a program at all: each thread makes a pipe, spawns the program with it as
 * stdout, reads to the end of file and waits for the exit, over and over. No server can do with less.
 *
 * usage: spawn-loop <threads> <seconds> <program>
 * Prints {"threads", "seconds", "activations", "ratePerSecond", "p50Us", "p99Us", "cpuSeconds", "latenciesUs"} on
 * one line; the last are the sorted latencies, or a thousand of them evenly apart and the longest.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <spawn.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;

enum { SHOWN_LATENCIES = 1001 };

struct loop {
  pthread_t thread;
  char *program;
  uint64_t end_ns;
  uint64_t *latencies_ns;
  size_t count;
  size_t room;
};

static void die(const char *what, int error) {
  fprintf(stderr, "spawn-loop: %s: %s\n", what, strerror(error));
  exit(1);
}

static uint64_t now_ns(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

static pid_t start(char *program, int out) {
  posix_spawn_file_actions_t actions;
  char *argv[] = {program, NULL};
  pid_t pid;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, out, 1);
  int error = posix_spawn(&pid, program, &actions, NULL, argv, environ);
  if (error != 0) die(program, error);
  posix_spawn_file_actions_destroy(&actions);
  return pid;
}

/* Reads to the end of file; what came must end a line, as a result does. */
static void read_result(int in) {
  char buffer[4096];
  char last = 0;
  ssize_t got;
  while ((got = read(in, buffer, sizeof buffer)) != 0) {
    if (got > 0) last = buffer[got - 1];
    else if (errno != EINTR) die("read", errno);
  }
  if (last != '\n') die("the program printed no line", EPROTO);
}

static void activate(char *program) {
  int ends[2];
  int status;
  if (pipe2(ends, O_CLOEXEC) != 0) die("pipe2", errno);
  pid_t pid = start(program, ends[1]);
  close(ends[1]);
  read_result(ends[0]);
  close(ends[0]);
  if (waitpid(pid, &status, 0) != pid) die("waitpid", errno);
  if (status != 0) die("the program failed", ECHILD);
}

static void *run(void *argument) {
  struct loop *loop = argument;
  for (uint64_t begin = now_ns(); begin < loop->end_ns;) {
    activate(loop->program);
    uint64_t done = now_ns();
    if (loop->count == loop->room) {
      loop->room = loop->room == 0 ? 1 << 16 : loop->room * 2;
      loop->latencies_ns = realloc(loop->latencies_ns, loop->room * sizeof *loop->latencies_ns);
      if (loop->latencies_ns == NULL) die("realloc", ENOMEM);
    }
    loop->latencies_ns[loop->count++] = done - begin;
    begin = done;
  }
  return NULL;
}

static int by_size(const void *left, const void *right) {
  uint64_t a = *(const uint64_t *)left, b = *(const uint64_t *)right;
  return (a > b) - (a < b);
}

static double percentile_us(const uint64_t *sorted_ns, size_t count, double share) {
  return count == 0 ? 0 : (double)sorted_ns[(size_t)(share * (double)(count - 1))] / 1000;
}

static double cpu_seconds(const struct rusage *usage) {
  return (double)(usage->ru_utime.tv_sec + usage->ru_stime.tv_sec) +
         (double)(usage->ru_utime.tv_usec + usage->ru_stime.tv_usec) / 1e6;
}

static void report(struct loop *loops, int threads, double seconds) {
  size_t count = 0, at = 0;
  for (int i = 0; i < threads; i++) count += loops[i].count;
  uint64_t *all_ns = malloc((count + 1) * sizeof *all_ns);
  if (all_ns == NULL) die("malloc", ENOMEM);
  for (int i = 0; i < threads; i++) {
    if (loops[i].count > 0) memcpy(all_ns + at, loops[i].latencies_ns, loops[i].count * sizeof *all_ns);
    at += loops[i].count;
  }
  qsort(all_ns, count, sizeof *all_ns, by_size);
  struct rusage self, children;
  getrusage(RUSAGE_SELF, &self);
  getrusage(RUSAGE_CHILDREN, &children);
  printf("{\"threads\":%d,\"seconds\":%.3f,\"activations\":%zu,\"ratePerSecond\":%.1f,\"p50Us\":%.1f,\"p99Us\":%.1f,",
         threads, seconds, count, (double)count / seconds, percentile_us(all_ns, count, 0.5),
         percentile_us(all_ns, count, 0.99));
  printf("\"cpuSeconds\":%.6f,\"latenciesUs\":[", cpu_seconds(&self) + cpu_seconds(&children));
  size_t shown = count < SHOWN_LATENCIES ? count : SHOWN_LATENCIES;
  for (size_t i = 0; i < shown; i++) {
    size_t rank = shown == 1 ? 0 : (size_t)((double)i * (double)(count - 1) / (double)(shown - 1));
    printf(i == 0 ? "%.1f" : ",%.1f", (double)all_ns[rank] / 1000);
  }
  printf("]}\n");
}

int main(int argc, char **argv) {
  int threads = argc == 4 ? atoi(argv[1]) : 0;
  double seconds = argc == 4 ? atof(argv[2]) : 0;
  if (threads < 1 || threads > 256 || seconds <= 0 || seconds > 600) {
    fprintf(stderr, "usage: spawn-loop <threads> <seconds> <program>\n");
    return 2;
  }
  struct loop *loops = calloc((size_t)threads, sizeof *loops);
  if (loops == NULL) die("calloc", ENOMEM);
  uint64_t begin_ns = now_ns();
  for (int i = 0; i < threads; i++) {
    loops[i].program = argv[3];
    loops[i].end_ns = begin_ns + (uint64_t)(seconds * 1e9);
    int error = pthread_create(&loops[i].thread, NULL, run, &loops[i]);
    if (error != 0) die("pthread_create", error);
  }
  for (int i = 0; i < threads; i++) pthread_join(loops[i].thread, NULL);
  report(loops, threads, (double)(now_ns() - begin_ns) / 1e9);
  return 0;
}
