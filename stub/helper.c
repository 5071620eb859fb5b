/*
 * A program without a C library, in two parts.
 *
 * As `lMS PATH …` it executes PATH with the arguments that follow (PATH is argv[0]) and its own environment, stopped
 * for its parent by ptrace(2) at the first instruction. It dies with the thread that started it, and after MS
 * milliseconds, whatever becomes of it: the parent waits for it.
 *
 * Under any other name it is what the self-test clones: it begins as a C library does, then reports, from a section
 * `.init`, what it was given, and ends with status 42, or by SIGTERM when its argument begins with `s`.
 *
 * Built by `npm run build:stub`.
 */
#include "machine.h"

#define PR_SET_PDEATHSIG 1
#define PTRACE_TRACEME 0
#define SIGKILL 9
#define SIGTERM 15
#define ITIMER_REAL 0
#define AT_FDCWD -100
#define AT_RANDOM 25
#define F_GETFD 1
#define SIG_BLOCK 0
#define FIRST_UNWANTED 4
#define EXIT_STATUS 42
#define PTRACE_REFUSED 128

static int thread_id;

static u64 length(const char *text) {
  u64 count = 0;
  while (text[count] != 0) count++;
  return count;
}

static void put(const char *bytes, u64 count) { call(NR_WRITE, 1, (long)bytes, (long)count, 0, 0); }

static void put_number(const char *name, u64 value) {
  char text[17];
  for (int at = 15; at >= 0; at--, value >>= 4) text[at] = "0123456789abcdef"[value & 15];
  text[16] = '\n';
  put(name, length(name));
  put(" ", 1);
  put(text, sizeof text);
}

static void put_file(const char *name, const char *path) {
  static char bytes[8192];
  long fd = call(NR_OPEN_AT, AT_FDCWD, (long)path, 0, 0, 0);
  long count = call(NR_READ, fd, (long)bytes, sizeof bytes, 0, 0);
  call(NR_CLOSE, fd, 0, 0, 0, 0);
  put_number(name, count < 0 ? 0 : (u64)count);
  if (count > 0) put(bytes, (u64)count);
}

static void put_strings(const char *name, char **strings) {
  u64 bytes = 0;
  for (char **string = strings; *string != 0; string++) bytes += length(*string) + 1;
  put_number(name, bytes);
  for (char **string = strings; *string != 0; string++) put(*string, length(*string) + 1);
}

static u64 open_descriptors(void) {
  u64 found = 0;
  for (long fd = 0; fd < 64; fd++)
    if (call(NR_FCNTL, fd, F_GETFD, 0, 0, 0) >= 0) found |= 1ul << fd;
  return found;
}

static u64 changed_signals(void) {
  u64 found = 0;
  for (long signal = 1; signal < 65; signal++) {
    u64 action[4] = {0, 0, 0, 0};
    call(NR_RT_SIGACTION, signal, 0, (long)action, 8, 0);
    if (action[0] != 0) found |= 1ul << (signal - 1);
  }
  return found;
}

__attribute__((section(".init"), used, noreturn)) static void report(char **argv, char **environment) {
  u64 blocked = 0;
  call(NR_RT_SIGPROCMASK, SIG_BLOCK, 0, (long)&blocked, 8, 0);
  put_number("pid", (u64)call(NR_GETPID, 0, 0, 0, 0, 0));
  put_number("parent", (u64)call(NR_GETPPID, 0, 0, 0, 0, 0));
  put_number("group", (u64)call(NR_GETPGID, 0, 0, 0, 0, 0));
  put_number("thread", (u64)thread_id);
  put_number("blocked", blocked);
  put_number("changed", changed_signals());
  put_number("descriptors", open_descriptors());
  char **end = environment;
  while (*end != 0) end++;
  for (u64 *pair = (u64 *)(end + 1); pair[0] != 0; pair += 2)
    if (pair[0] == AT_RANDOM) put_number("random", *(u64 *)pair[1]);
  put_strings("arguments", argv);
  put_strings("environment", environment);
  put_file("cmdline", "/proc/self/cmdline");
  put_file("environ", "/proc/self/environ");
  put_file("comm", "/proc/self/comm");
  put_file("stdin", "/dev/fd/0");
  if (argv[1] != 0 && argv[1][0] == 's') call(NR_KILL, call(NR_GETPID, 0, 0, 0, 0, 0), SIGTERM, 0, 0, 0);
  for (;;) call(NR_EXIT_GROUP, EXIT_STATUS, 0, 0, 0, 0);
}

static __attribute__((noreturn)) void launch(char **argv, char **environment) {
  u64 ms = 0;
  for (char *digit = argv[0] + 1; *digit != 0; digit++) ms = 10 * ms + (u64)(*digit - '0');
  u64 timer[4] = {0, 0, ms / 1000, ms % 1000 * 1000};
  call(NR_PRCTL, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  call(NR_SETITIMER, ITIMER_REAL, (long)timer, 0, 0, 0);
  call(NR_CLOSE_RANGE, FIRST_UNWANTED, ~0u, 0, 0, 0);
  long error = call(NR_PTRACE, PTRACE_TRACEME, 0, 0, 0, 0);
  long status = PTRACE_REFUSED - error;
  if (error == 0) status = -call(NR_EXECVE, (long)argv[1], (long)(argv + 1), (long)environment, 0, 0);
  for (;;) call(NR_EXIT_GROUP, status, 0, 0, 0, 0);
}

__attribute__((noreturn, used)) void begin(u64 *stack) {
  char **argv = (char **)(stack + 1);
  char **environment = argv + stack[0] + 1;
  if (argv[0][0] == 'l' && argv[1] != 0) launch(argv, environment);
  thread_id = (int)call(NR_SET_TID_ADDRESS, (long)&thread_id, 0, 0, 0, 0);
  report(argv, environment);
}

START("begin");
