/*
 * Whatever a process can learn of itself from the kernel and the C library, a fact a line. What differs between any two
 * processes (addresses, times, its number) is told as a relation that holds for each.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/prctl.h>
#include <linux/rseq.h>
#include <locale.h>
#include <sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern char **environ;
extern char *program_invocation_name, *program_invocation_short_name;
extern const ptrdiff_t __rseq_offset __attribute__((weak));
extern const unsigned __rseq_size __attribute__((weak));

#ifdef EARLY
/* Code that runs before the C library is ready: the program is cloned at its very begin. */
static void early(void) {}
__attribute__((section(".preinit_array"), used)) static void (*first)(void) = early;
#endif

static char bytes[1 << 16];

static ssize_t slurp(const char *path) {
  int fd = open(path, O_RDONLY);
  if (fd < 0) return -errno;
  ssize_t length = 0, count;
  while ((count = read(fd, bytes + length, sizeof bytes - 1 - (size_t)length)) > 0) length += count;
  close(fd);
  bytes[length] = 0;
  return length;
}

static void fact(const char *name, long value) { printf("%s %ld\n", name, value); }

/* A whole file of one line or more. */
static void file(const char *path) {
  ssize_t count = slurp(path);
  printf("%s %zd\n%s\n", path, count < 0 ? count : 0, count > 0 ? bytes : "");
}

static void link_of(const char *path) {
  char target[4096];
  ssize_t count = readlink(path, target, sizeof target - 1);
  target[count < 0 ? 0 : count] = 0;
  printf("%s -> %s\n", path, target);
}

static const char *CHANGING_STATUS[] = {"Pid", "Tgid", "NSpid", "NStgid", "NSpgid", "FDSize", "Vm", "Rss", "Hugetlb", "voluntary",
                                        "nonvoluntary", "SigQ", "Ngid"};

static void status(void) {
  slurp("/proc/self/status");
  for (char *line = strtok(bytes, "\n"); line != NULL; line = strtok(NULL, "\n")) {
    int changes = 0;
    for (size_t at = 0; at < sizeof CHANGING_STATUS / sizeof *CHANGING_STATUS; at++)
      changes |= strncmp(line, CHANGING_STATUS[at], strlen(CHANGING_STATUS[at])) == 0;
    if (!changes) printf("status %s\n", line);
  }
}

/* Fields of /proc/self/stat by their numbers in proc(5). */
static void stat_fields(void) {
  slurp("/proc/self/stat");
  unsigned long value[64] = {0};
  int field = 3;
  char *at = strrchr(bytes, ')') + 4;
  while (*at != 0 && field < 60) value[++field] = strtoul(at, &at, 10), at += *at == ' ';
  unsigned long here = (unsigned long)&value;
  fact("stat parent", value[4] == (unsigned long)getppid());
  fact("stat group", value[5] == (unsigned long)getpid());
  fact("stat session", value[6] == (unsigned long)getsid(0));
  fact("stat terminal", (long)value[7]);
  fact("stat foreground", (long)value[8]);
  /* PF_RANDOMIZE; others tell of the moment, or of who has executed (docs/internals/engines.md). */
  fact("stat flags", (long)(value[9] & 0x00400000ul));
  fact("stat priority", (long)value[18]);
  fact("stat nice", (long)value[19]);
  fact("stat threads", (long)value[20]);
  struct timespec now;
  clock_gettime(CLOCK_BOOTTIME, &now);
  long age = now.tv_sec * 100 + now.tv_nsec / 10000000 - (long)value[22];
  fact("stat begins with this run", age >= 0 && age < 3000);
  fact("stat limit of residence", (long)value[25]);
  fact("stat code", value[26] <= (unsigned long)stat_fields && (unsigned long)stat_fields < value[27]);
  fact("stat stack", value[28] > here && value[28] - here < 65536);
  fact("stat signals", (long)(value[31] | value[32] | value[33] | value[34]));
  fact("stat end signal", (long)value[38]);
  fact("stat scheduler", (long)(value[40] << 8 | value[41]));
  fact("stat data", value[45] <= (unsigned long)&environ && (unsigned long)bytes < value[47] && value[45] < value[46]);
  fact("stat heap", value[47] <= (unsigned long)sbrk(0));
  fact("stat arguments are argv", value[48] != 0);
  fact("stat exit code", (long)value[52]);
}

static void auxiliary(char **end_of_environment) {
  static const unsigned long ADDRESSES[] = {AT_PHDR, AT_BASE, AT_ENTRY, AT_RANDOM, AT_EXECFN, AT_PLATFORM, AT_SYSINFO_EHDR, 27, 28};
  Elf64_auxv_t *own = (Elf64_auxv_t *)(end_of_environment + 1);
  size_t count = 0;
  for (; own[count].a_type != AT_NULL; count++) {
    int address = 0;
    for (size_t at = 0; at < sizeof ADDRESSES / sizeof *ADDRESSES; at++) address |= own[count].a_type == ADDRESSES[at];
    printf("auxiliary %lu %lx\n", own[count].a_type, address ? (unsigned long)(own[count].a_un.a_val != 0) : own[count].a_un.a_val);
    if (getauxval(own[count].a_type) != own[count].a_un.a_val) printf("getauxval differs\n");
  }
  printf("execfn %s platform %s\n", (char *)getauxval(AT_EXECFN), (char *)getauxval(AT_PLATFORM));
  ssize_t shown = slurp("/proc/self/auxv");
  fact("auxv is shown as it is", shown >= (ssize_t)(count * sizeof *own) && memcmp(bytes, own, count * sizeof *own) == 0);
}

static void strings(int argc, char **argv) {
  printf("name %s short %s\n", program_invocation_name, program_invocation_short_name);
  ssize_t shown = slurp("/proc/self/cmdline");
  size_t at = 0;
  int same = 1;
  for (int index = 0; index < argc; at += strlen(argv[index]) + 1, index++) same &= strcmp(bytes + at, argv[index]) == 0;
  fact("cmdline is argv", same && (size_t)shown == at);
  fact("argv is in order", argc < 2 || argv[1] == argv[0] + strlen(argv[0]) + 1);
  shown = slurp("/proc/self/environ");
  at = 0, same = 1;
  for (char **entry = environ; *entry != NULL; at += strlen(*entry) + 1, entry++) same &= strcmp(bytes + at, *entry) == 0;
  fact("environ is the environment", same && (size_t)shown == at);
  int contiguous = 1;
  for (char **entry = environ; entry[1] != NULL; entry++) contiguous &= entry[1] == *entry + strlen(*entry) + 1;
  fact("the environment is in order", contiguous);
  setenv("ADDED", "later", 1);
  unsetenv("GREETING");
  fact("environ stays what it was", slurp("/proc/self/environ") == shown);
  /* As servers do who show in ps(1) what they are at. */
  memset(argv[0], 'T', strlen(argv[0]));
  slurp("/proc/self/cmdline");
  fact("a title shows", bytes[0] == 'T' && bytes[1] == 'T');
  prctl(PR_SET_NAME, "renamed");
  file("/proc/self/comm");
}

static void controls(void) {
  fact("dumpable", prctl(PR_GET_DUMPABLE));
  fact("keeps capabilities", prctl(PR_GET_KEEPCAPS));
  fact("no new privileges", prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0));
  fact("seccomp", prctl(PR_GET_SECCOMP));
  fact("secure bits", prctl(PR_GET_SECUREBITS));
  fact("timer slack", prctl(PR_GET_TIMERSLACK));
  fact("transparent huge pages off", prctl(PR_GET_THP_DISABLE, 0, 0, 0, 0));
  fact("machine checks", prctl(PR_MCE_KILL_GET, 0, 0, 0, 0));
  fact("flushes", prctl(PR_GET_IO_FLUSHER, 0, 0, 0, 0));
  int subreaper = -1, death = -1, counter = -1;
  prctl(PR_GET_CHILD_SUBREAPER, &subreaper);
  prctl(PR_GET_PDEATHSIG, &death);
  prctl(PR_GET_TSC, &counter);
  printf("subreaper %d death signal %d counter %d\n", subreaper, death, counter);
  for (int feature = 0; feature < 3; feature++) printf("speculation %d\n", prctl(PR_GET_SPECULATION_CTRL, feature, 0, 0, 0));
  int *cleared = NULL;
  if (prctl(PR_GET_TID_ADDRESS, &cleared) == 0) fact("thread id is cleared where it is kept", *cleared == getpid());
  for (int capability = 0; capability < 64; capability++)
    if (prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_IS_SET, capability, 0, 0) == 1) fact("ambient", capability);
  printf("personality %x\n", (unsigned)personality(0xffffffff));
  printf("memory denied execution %d merged %d\n", prctl(66, 0, 0, 0, 0), prctl(68, 0, 0, 0, 0));
}

static void scheduling(void) {
  struct sched_param parameter = {0};
  sched_getparam(0, &parameter);
  printf("scheduler %d %d nice %d\n", sched_getscheduler(0), parameter.sched_priority, getpriority(PRIO_PROCESS, 0));
  struct {
    uint32_t size, policy;
    uint64_t flags;
    int32_t nice;
    uint32_t priority;
    uint64_t runtime, deadline, period;
    uint32_t low, high;
  } attributes = {0};
  if (syscall(SYS_sched_getattr, 0, &attributes, sizeof attributes, 0) == 0)
    printf("attributes %u %lu %d %u %u\n", attributes.policy, attributes.flags, attributes.nice, attributes.low, attributes.high);
  printf("input and output %ld\n", syscall(SYS_ioprio_get, 1, 0));
  cpu_set_t set;
  sched_getaffinity(0, sizeof set, &set);
  fact("processors", CPU_COUNT(&set));
  int mode = -1;
  printf("memory policy %ld %d\n", syscall(SYS_get_mempolicy, &mode, NULL, 0, NULL, 0), mode);
  /* What it has used, it has used itself. */
  struct rusage used, children;
  getrusage(RUSAGE_SELF, &used);
  getrusage(RUSAGE_CHILDREN, &children);
  struct timespec processor;
  clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &processor);
  fact("has worked for under a second", processor.tv_sec == 0 && used.ru_utime.tv_sec == 0);
  fact("children have", children.ru_utime.tv_sec + children.ru_utime.tv_usec + children.ru_minflt + children.ru_maxrss);
}

static void timers(void) {
  for (int which = 0; which < 3; which++) {
    struct itimerval timer;
    getitimer(which, &timer);
    printf("timer %d %ld %ld %ld\n", which, timer.it_value.tv_sec, timer.it_value.tv_usec, timer.it_interval.tv_sec);
  }
  file("/proc/self/timers");
  fact("alarm", alarm(0));
}

static void signals(void) {
  for (int number = 1; number < 65; number++) {
    uint64_t action[4] = {0};
    if (syscall(SYS_rt_sigaction, number, NULL, action, 8) == 0 && (action[0] | action[1]) != 0)
      printf("signal %d %d %lx\n", number, action[0] == 1, action[1]);
  }
  uint64_t mask = 1, pending = 1;
  syscall(SYS_rt_sigprocmask, SIG_BLOCK, NULL, &mask, 8);
  syscall(SYS_rt_sigpending, &pending, 8);
  stack_t other = {0};
  sigaltstack(NULL, &other);
  printf("mask %lx pending %lx other stack %p %zu %d\n", mask, pending, other.ss_sp, other.ss_size, other.ss_flags);
}

static void descriptors(void) {
  for (int fd = 0; fd < 64; fd++) {
    struct stat stats;
    if (fstat(fd, &stats) != 0) continue;
    printf("descriptor %d type %o flags %x %x owner %d signal %d pipe %d\n", fd, stats.st_mode & S_IFMT, fcntl(fd, F_GETFD),
           fcntl(fd, F_GETFL), fcntl(fd, F_GETOWN), fcntl(fd, F_GETSIG), fcntl(fd, F_GETPIPE_SZ));
  }
  fact("next", dup(0)), close(3);
}

static void registered(void) {
  void *list = NULL;
  size_t size = 0;
  long found = syscall(SYS_get_robust_list, 0, &list, &size);
  printf("robust list %ld %d %zu\n", found, list != NULL, size);
  if (&__rseq_size != NULL && __rseq_size > 0) {
    struct rseq *area = (struct rseq *)((char *)__builtin_thread_pointer() + __rseq_offset);
    fact("rseq is registered", syscall(SYS_rseq, area, 32, 0, 0x53053053) == -1 && errno == EBUSY);
    fact("rseq is current", area->cpu_id == area->cpu_id_start && (int)area->cpu_id >= 0);
  }
}

static void memory(void) {
  slurp("/proc/self/maps");
  int heap = 0, stack = 0, vdso = 0, writable_code = 0;
  for (char *line = strtok(bytes, "\n"); line != NULL; line = strtok(NULL, "\n")) {
    heap += strstr(line, "[heap]") != NULL;
    stack += strstr(line, "[stack]") != NULL && strstr(line, " rw-p ") != NULL;
    vdso += strstr(line, "[vdso]") != NULL;
    writable_code += strstr(line, "rwxp") != NULL;
  }
  printf("heap %d stack %d vdso %d writable code %d\n", heap, stack, vdso, writable_code);
  unsigned char resident;
  fact("locked", munlockall());
  char *one = sbrk(4096), *two = sbrk(0);
  fact("the heap grows", one + 4096 == two && (one[4095] = 1));
  volatile long word = 42;
  int own = open("/proc/self/mem", O_RDWR);
  long written = 43;
  fact("own memory opens", own >= 0);
  fact("own memory is written", pwrite(own, &written, 8, (off_t)&word) == 8 && word == 43);
  close(own);
}

/* Whatever only a process may that others may look into (PR_SET_DUMPABLE). */
static void looks(void) {
  static const char *OWN[] = {"/proc/self/environ", "/proc/self/maps", "/proc/self/mem", "/proc/self/fd", "/proc/self/io",
                              "/proc/self/stack", "/proc/self/oom_score_adj", "/proc/self/status"};
  for (size_t at = 0; at < sizeof OWN / sizeof *OWN; at++) {
    struct stat stats;
    int found = stat(OWN[at], &stats);
    printf("%s %d %d %d %o access %d\n", OWN[at], found, stats.st_uid == geteuid(), stats.st_gid == getegid(), stats.st_mode,
           access(OWN[at], R_OK));
  }
  int status = 0;
  pid_t child = fork();
  if (child == 0) {
    ptrace(PTRACE_TRACEME, 0, NULL, NULL);
    raise(SIGSTOP);
    _exit(4);
  }
  waitpid(child, &status, 0);
  static long seen = 77;
  long read_back = ptrace(PTRACE_PEEKDATA, child, &seen, NULL);
  ptrace(PTRACE_CONT, child, NULL, NULL);
  waitpid(child, &status, 0);
  printf("traces its child %ld %d\n", read_back, WEXITSTATUS(status));
  int hold[2];
  pipe(hold);
  child = fork();
  if (child == 0) {
    char wait;
    close(hold[1]);
    read(hold[0], &wait, 1);
    _exit(0);
  }
  long copy = 0;
  struct iovec local = {&copy, 8}, remote = {&seen, 8};
  fact("reads its child", process_vm_readv(child, &local, 1, &remote, 1, 0) == 8 && copy == 77);
  fact("seizes its child", ptrace(PTRACE_SEIZE, child, NULL, NULL));
  close(hold[1]);
  close(hold[0]);
  waitpid(child, &status, 0);
  /* And whether its parent's parent could: Yama. */
  child = fork();
  if (child == 0) _exit(prctl(PR_SET_PTRACER, getppid(), 0, 0, 0) == 0 || errno == EINVAL ? 0 : 1);
  waitpid(child, &status, 0);
  fact("may name who traces it", WEXITSTATUS(status));
}

int main(int argc, char **argv) {
  /* Not oom_score_adj: a spawned process gets its own when it may have begun already. */
  static const char *FILES[] = {"/proc/self/limits", "/proc/self/coredump_filter", "/proc/self/cgroup",
                                "/proc/self/cpuset", "/proc/self/loginuid", "/proc/self/sessionid", "/proc/self/uid_map",
                                "/proc/self/gid_map", "/proc/self/setgroups", "/proc/self/attr/current", "/proc/self/timerslack_ns",
                                "/proc/self/personality", "/proc/self/comm"};
  static const char *LINKS[] = {"/proc/self/exe", "/proc/self/cwd", "/proc/self/root", "/proc/self/ns/pid", "/proc/self/ns/mnt",
                                "/proc/self/ns/pid_for_children", "/proc/self/ns/user", "/proc/self/ns/net", "/proc/self/ns/cgroup",
                                "/proc/self/ns/ipc", "/proc/self/ns/uts", "/proc/self/ns/time"};
  char **end = environ;
  while (*end != NULL) end++;
  scheduling();
  auxiliary(end);
  status();
  stat_fields();
  for (size_t at = 0; at < sizeof FILES / sizeof *FILES; at++) file(FILES[at]);
  for (size_t at = 0; at < sizeof LINKS / sizeof *LINKS; at++) link_of(LINKS[at]);
  controls();
  timers();
  signals();
  descriptors();
  registered();
  memory();
  mode_t mask = umask(0);
  printf("umask %o locale %s\n", mask, setlocale(LC_ALL, NULL));
  uid_t user[3];
  gid_t group[3];
  getresuid(&user[0], &user[1], &user[2]);
  getresgid(&group[0], &group[1], &group[2]);
  printf("ids %d %d %d %d %d %d groups %d\n", user[0], user[1], user[2], group[0], group[1], group[2], getgroups(0, NULL));
  long described = syscall(SYS_keyctl, 6, -3, bytes, sizeof bytes);
  printf("session keyring %s process keyring %ld\n", described < 0 ? "none" : bytes, syscall(SYS_keyctl, 0, -2, 0));
  struct { uint32_t version; int pid; } header = {0x20080522, 0};
  uint32_t capabilities[6] = {0};
  syscall(SYS_capget, &header, capabilities);
  for (int at = 0; at < 6; at++) printf("capabilities %x\n", capabilities[at]);
  int terminal = open("/dev/tty", O_RDWR);
  printf("terminal %d %d\n", terminal >= 0, terminal >= 0 ? 0 : errno);
  looks();
  strings(argc, argv);
  fflush(stdout);
  return 0;
}
