/* Signals: handlers, masks, timers, other stacks; and each way to die of one. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static volatile sig_atomic_t count;
static sigjmp_buf back;

static void on_signal(int number) {
  (void)number;
  count++;
}
static void on_fault(int number, siginfo_t *info, void *context) {
  (void)number, (void)context;
  siglongjmp(back, info->si_addr == (void *)16 ? 2 : 1);
}

static int endless(int level) {
  volatile char frame[1000] = {(char)level};
  return endless(level + 1) + frame[0];
}

int main(int argc, char **argv) {
  sigset_t mask, pending;
  sigprocmask(SIG_SETMASK, NULL, &mask);
  int blocked = 0, handled = 0;
  for (int number = 1; number < 65; number++) {
    struct sigaction action;
    blocked += sigismember(&mask, number) == 1;
    handled += sigaction(number, NULL, &action) == 0 && action.sa_handler != SIG_DFL;
  }
  printf("blocked %d handled %d\n", blocked, handled);
  signal(SIGUSR1, on_signal);
  sigemptyset(&mask);
  sigaddset(&mask, SIGUSR1);
  sigprocmask(SIG_BLOCK, &mask, NULL);
  raise(SIGUSR1);
  sigpending(&pending);
  printf("pending %d count %d\n", sigismember(&pending, SIGUSR1), count);
  sigprocmask(SIG_UNBLOCK, &mask, NULL);
  printf("count %d\n", count);
  signal(SIGALRM, on_signal);
  struct itimerval timer = {{0, 0}, {0, 2000}}, before;
  getitimer(ITIMER_REAL, &before);
  printf("timer before %ld\n", (long)(before.it_value.tv_sec + before.it_value.tv_usec));
  sigset_t unblocked;
  sigemptyset(&mask);
  sigaddset(&mask, SIGALRM);
  sigprocmask(SIG_BLOCK, &mask, &unblocked);
  setitimer(ITIMER_REAL, &timer, NULL);
  /* With pause() a signal that comes just before it would be waited for forever. */
  while (count < 2) sigsuspend(&unblocked);
  sigprocmask(SIG_SETMASK, &unblocked, NULL);
  printf("alarm %d\n", count);
  stack_t other = {.ss_sp = malloc(SIGSTKSZ), .ss_size = SIGSTKSZ};
  sigaltstack(&other, NULL);
  struct sigaction fault = {.sa_sigaction = on_fault, .sa_flags = SA_SIGINFO | SA_ONSTACK};
  sigaction(SIGSEGV, &fault, NULL);
  int fell = sigsetjmp(back, 1);
  if (fell == 0) *(volatile int *)16 = 0;
  printf("fault %d\n", fell);
  signal(SIGSEGV, SIG_DFL);
  signal(SIGCHLD, on_signal);
  if (fork() == 0) _exit(0);
  wait(NULL);
  printf("child %d\n", count);
  fflush(stdout);
  const char *way = argc > 1 ? argv[1] : "";
  if (strstr(way, "segv")) *(volatile int *)0 = 1;
  if (strstr(way, "abort")) abort();
  if (strstr(way, "term")) raise(SIGTERM);
  if (strstr(way, "kill")) kill(0, SIGKILL);
  if (strstr(way, "pipe")) raise(SIGPIPE);
  if (strstr(way, "fpe")) raise(SIGFPE);
  if (strstr(way, "overflow")) return endless(0);
  if (strstr(way, "smash")) {
    char small[8];
    memset((char *)((size_t)small | 0), 'x', (size_t)strlen(way) + 200);
    printf("%c\n", small[0]);
  }
  return 11;
}
