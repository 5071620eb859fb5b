/*
 * A program without a C library, in two parts.
 *
 * As `lMS RIGHTS PATH …` it executes PATH with the arguments that follow (PATH is argv[0]), its own environment and the
 * given rights, stopped for its parent by ptrace(2) at the first instruction. It dies with the thread that started it,
 * and after MS milliseconds, whatever becomes of it: the parent waits for it.
 *
 * With `confine RIGHTS DESCRIPTOR PATH …` as its arguments it executes PATH in the same way without stopping.
 * Where that fails it writes the error number to the descriptor, which is closed otherwise.
 *
 * RIGHTS are numbers: user, group, how many further groups and which; whether it may gain privileges no more; how many
 * limits, and of each its number, soft and hard. No user stands as -1, modulo 2^64. An empty text changes nothing.
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
#define CONFINE_REFUSED 127
#define PR_SET_NO_NEW_PRIVS 38
#define F_SETFD 2
#define FD_CLOEXEC 1
#define MOST_GROUPS 64
#define CAPABILITY_VERSION 0x20080522

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

static u64 number(char **text) {
  u64 value = 0;
  while (**text == ' ') ++*text;
  while (**text >= '0' && **text <= '9') value = value * 10 + (u64)(*(*text)++ - '0');
  return value;
}

/* Without a capability left, whatever the securebits are: with one of them the next program could undo it all. */
static long become(u64 user, u64 group, const u32 *groups, u64 count) {
  u32 header[2] = {CAPABILITY_VERSION, 0}, none[6] = {0, 0, 0, 0, 0, 0};
  long error = call(NR_SETGROUPS, (long)count, (long)groups, 0, 0, 0);
  if (error == 0) error = call(NR_SETRESGID, (long)group, (long)group, (long)group, 0, 0);
  if (error == 0) error = call(NR_SETRESUID, (long)user, (long)user, (long)user, 0, 0);
  return error != 0 ? error : call(NR_CAPSET, (long)header, (long)none, 0, 0, 0);
}

/* Limits come first: raising one takes a privilege. */
static long take_rights(char *text) {
  static u32 groups[MOST_GROUPS];
  if (*text == 0) return 0;
  u64 user = number(&text), group = number(&text), count = number(&text);
  for (u64 at = 0; at < count && at < MOST_GROUPS; at++) groups[at] = (u32)number(&text);
  u64 no_new_privileges = number(&text), limits = number(&text);
  for (; limits > 0; limits--) {
    u64 resource = number(&text), limit[2];
    limit[0] = number(&text);
    limit[1] = number(&text);
    long error = call(NR_PRLIMIT, 0, (long)resource, (long)limit, 0, 0);
    if (error != 0) return error;
  }
  long error = user == ~0ul ? 0 : become(user, group, groups, count);
  return error == 0 && no_new_privileges != 0 ? call(NR_PRCTL, PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) : error;
}

static __attribute__((noreturn)) void confine(char **argv, char **environment) {
  char *text = argv[2];
  long status = (long)number(&text);
  /* And behind it the helper itself, where it was given as a descriptor. */
  for (long fd = status; fd <= status + 1; fd++) call(NR_FCNTL, fd, F_SETFD, FD_CLOEXEC, 0, 0);
  long error = take_rights(argv[1]);
  if (error == 0) error = call(NR_EXECVE, (long)argv[3], (long)(argv + 3), (long)environment, 0, 0);
  u32 told = (u32)-error;
  call(NR_WRITE, status, (long)&told, sizeof told, 0, 0);
  for (;;) call(NR_EXIT_GROUP, CONFINE_REFUSED, 0, 0, 0, 0);
}

static __attribute__((noreturn)) void launch(char **argv, char **environment) {
  u64 ms = 0;
  for (char *digit = argv[0] + 1; *digit != 0; digit++) ms = 10 * ms + (u64)(*digit - '0');
  u64 timer[4] = {0, 0, ms / 1000, ms % 1000 * 1000};
  long error = take_rights(argv[1]);
  if (error != 0) call(NR_EXIT_GROUP, -error, 0, 0, 0, 0);
  /* Another user takes it away. */
  call(NR_PRCTL, PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  call(NR_SETITIMER, ITIMER_REAL, (long)timer, 0, 0, 0);
  call(NR_CLOSE_RANGE, FIRST_UNWANTED, ~0u, 0, 0, 0);
  error = call(NR_PTRACE, PTRACE_TRACEME, 0, 0, 0, 0);
  long status = PTRACE_REFUSED - error;
  if (error == 0) status = -call(NR_EXECVE, (long)argv[2], (long)(argv + 2), (long)environment, 0, 0);
  for (;;) call(NR_EXIT_GROUP, status, 0, 0, 0, 0);
}

__attribute__((noreturn, used)) void begin(u64 *stack) {
  char **argv = (char **)(stack + 1);
  char **environment = argv + stack[0] + 1;
  if (argv[0][0] == 'l' && argv[1] != 0) launch(argv, environment);
  if (argv[1] != 0 && argv[1][0] == 'c' && argv[2] != 0 && argv[3] != 0) confine(argv + 1, environment);
  thread_id = (int)call(NR_SET_TID_ADDRESS, (long)&thread_id, 0, 0, 0, 0);
  report(argv, environment);
}

START("begin");
