/*
 * The loop that a template runs instead of the action: it takes requests from the server and clones itself for
 * each; the clone becomes the action. It is written into the stopped process of an action, at any page: one page
 * of code, and one of data that holds the struct below and the stack.
 *
 * Nothing of an activation stays in the template: its strings are received into their very places on the action's
 * stack, and wiped as soon as the clone is made. A clone tells the server that it starts by itself, as the last thing
 * before the action's first instruction. So when every holder of the socket has ended, what was not told has not begun.
 *
 * Built by `npm run build:stub`. What lies where is in layout.h.
 */
#include "machine.h"
#include "layout.h"

#define SIGCHLD 17
#define CLONE_PARENT 0x00008000
#define CLONE_CHILD_CLEARTID 0x00200000
#define CLONE_CHILD_SETTID 0x01000000
#define MSG_NOSIGNAL 0x4000
#define MSG_TRUNC 0x20
#define MSG_CTRUNC 0x08
#define ITIMER_REAL 0
#define PR_SET_DUMPABLE 4
#define PR_SET_NAME 15
#define PR_SET_MM 35
#define PR_SET_MM_MAP 14
#define PR_GET_TIMERSLACK 30
#define IOPRIO_WHO_PROCESS 1
#define SCHED_ATTR_BYTES 56
#define AT_FDCWD -100
#define F_SETFD 2
#define FD_CLOEXEC 1
#define O_CLOEXEC 02000000
#define SEEK_SET 0
#define SEEK_CUR 1
#define EINTR 4
#define EMSGSIZE 90
/* ECANCELED, by which the server knows it. */
#define ALTERED 125

extern struct configuration configuration __attribute__((visibility("hidden")));

struct vector {
  void *bytes;
  u64 count;
};

struct message {
  void *name;
  u32 name_bytes, padding;
  struct vector *vectors;
  u64 vector_count;
  void *control;
  u64 control_bytes;
  s32 flags;
};

static inline void wipe(u64 from, u64 count) {
  volatile char *byte = (volatile char *)from;
  for (; count >= 8; count -= 8, byte += 8) *(volatile u64 *)byte = 0;
  for (; count > 0; count--) *byte++ = 0;
}

static inline void wipe_strings(void) {
  struct request *request = &configuration.request;
  wipe(configuration.variables_end - request->variables_bytes, request->variables_bytes);
  wipe(configuration.argument, request->argument_bytes);
}

/* Descriptors that come with a message get the lowest free numbers: a run's are 0, 1, 2 and, for some, 3. */
static inline long receive(void) {
  u64 control[8];
  struct vector vectors[3] = {
      {&configuration.request, sizeof configuration.request},
      {(void *)(configuration.variables_end - configuration.variables_room), configuration.variables_room},
      {(void *)configuration.argument, configuration.argument_room},
  };
  struct message message = {0, 0, 0, vectors, 3, control, sizeof control, 0};
  long count;
  do count = call(NR_RECVMSG, (long)configuration.socket, (long)&message, 0, 0, 0);
  while (count == -EINTR);
  if (count > 0 && (message.flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return -EMSGSIZE;
  return count;
}

/* Negative where nobody is there to hear it. */
static inline long tell(s32 pid, s32 error) {
  struct reply reply = {configuration.request.id, pid, error, 0};
  return call(NR_SENDTO, (long)configuration.socket, (long)&reply, sizeof reply, MSG_NOSIGNAL, 0);
}

static inline __attribute__((noreturn)) void leave(void) {
  for (;;) call(NR_EXIT_GROUP, 0, 0, 0, 0, 0);
}

static inline int differ(const u64 *one, const u64 *other, u64 words) {
  for (; words > 0; words--)
    if (*one++ != *other++) return 1;
  return 0;
}

static inline int file_differs(const char *path, const char *expected) {
  char text[TEXT];
  long fd = call(NR_OPEN_AT, AT_FDCWD, (long)path, 0, 0, 0);
  long count = call(NR_READ, fd, (long)text, sizeof text, 0, 0);
  call(NR_CLOSE, fd, 0, 0, 0, 0);
  for (long at = 0; at < count; at++)
    if (text[at] != expected[at]) return 1;
  return count <= 0 || (count < TEXT && expected[count] != 0);
}

/*
 * Whether this process is other than one that the server had just executed. Any process of its user may change limits,
 * priorities and CPUs of a template or of a prewarmed clone, and often they can't be set back: a lower hard limit, a
 * nice value.
 */
static __attribute__((noinline)) int altered(void) {
  struct attributes *expected = &configuration.attributes;
  u64 found[MOST_CPU_WORDS];
  wipe((u64)found, sizeof found);
  if ((expected->checks & CHECK_LIMITS) != 0)
    for (long resource = 0; resource < LIMITS; resource++) {
      call(NR_PRLIMIT, 0, resource, 0, (long)found, 0);
      if (differ(found, expected->limits[resource], 2)) return 1;
    }
  if ((expected->checks & CHECK_SCHEDULING) != 0) {
    found[6] = 0;
    call(NR_SCHED_GETATTR, 0, (long)found, SCHED_ATTR_BYTES, 0, 0);
    /* Behind the priority are times, of which some are the kernel's own matter. */
    if (differ(found, expected->scheduling, 3) || found[6] != expected->scheduling[3]) return 1;
  }
  if ((expected->checks & CHECK_CPUS) != 0) {
    long count = call(NR_SCHED_GETAFFINITY, 0, sizeof found, (long)found, 0, 0);
    if ((u64)count != expected->cpu_bytes || differ(found, expected->cpus, (u64)count / 8)) return 1;
  }
  if ((expected->checks & CHECK_IO_PRIORITY) != 0 &&
      (u64)call(NR_IOPRIO_GET, IOPRIO_WHO_PROCESS, 0, 0, 0, 0) != expected->io_priority)
    return 1;
  if ((expected->checks & CHECK_TIMER_SLACK) != 0 &&
      (u64)call(NR_PRCTL, PR_GET_TIMERSLACK, 0, 0, 0, 0) != expected->timer_slack)
    return 1;
  return (expected->checks & CHECK_FILES) != 0 && (configuration.request.kind & WITH_FILES) != 0 &&
         (file_differs("/proc/self/oom_score_adj", expected->oom_score) ||
          file_differs("/proc/self/coredump_filter", expected->dump_filter));
}

/* A descriptor of the program's that is no stream: a file is opened again, at the position where it was. */
static inline long reopen(const struct reopened *one) {
  long fd = one->descriptor, on_exec = one->flags & O_CLOEXEC;
  if (one->copy_of >= 0) return call(NR_DUP3, one->copy_of, fd, on_exec, 0, 0);
  char path[] = "/proc/self/fd/\0\0\0\0";
  char *at = path + sizeof path - 5;
  if (fd >= 100) *at++ = (char)('0' + fd / 100);
  if (fd >= 10) *at++ = (char)('0' + fd / 10 % 10);
  *at = (char)('0' + fd % 10);
  long position = call(NR_LSEEK, fd, 0, SEEK_CUR, 0, 0);
  long opened = call(NR_OPEN_AT, AT_FDCWD, (long)path, one->flags, 0, 0);
  if (opened < 0) return opened;
  long error = call(NR_DUP3, opened, fd, on_exec, 0, 0);
  call(NR_CLOSE, opened, 0, 0, 0, 0);
  if (error >= 0 && position > 0) error = call(NR_LSEEK, fd, position, SEEK_SET, 0, 0);
  return error;
}

/* Negative where one could not be had. */
static __attribute__((noinline)) long restore_descriptors(void) {
  struct configuration *own = &configuration;
  long error = 0;
  for (u64 at = 0; at < own->reopened_count && error >= 0; at++) error = reopen(&own->reopened[at]);
  for (u64 fd = 0; fd <= own->last_stream; fd++)
    if ((own->closed_on_exec >> fd & 1) != 0) call(NR_FCNTL, (long)fd, F_SETFD, FD_CLOEXEC, 0, 0);
  return error < 0 ? error : 0;
}

/* The clone becomes the action. Inlined, so that no call is open when it goes. */
static inline __attribute__((noreturn, always_inline)) void become(void) {
  struct configuration *own = &configuration;
  struct map *map = &own->map;
  map->environment_start = own->variables_end - own->request.variables_bytes;
  map->argument_end = own->argument + own->request.argument_bytes;
  char *text = (char *)map->environment_start;
  for (u64 cell = 0; cell < own->cell_count; cell++) {
    ((char **)own->cells)[cell] = text;
    while (*text++ != 0) {
    }
  }
  long pid = call(NR_GETPID, 0, 0, 0, 0, 0);
  long error = call(NR_PRCTL, PR_SET_MM, PR_SET_MM_MAP, (long)map, sizeof *map, 0);
  if (error == 0) error = restore_descriptors();
  if (error != 0 || altered()) {
    tell((s32)pid, error == 0 || altered() ? ALTERED : (s32)-error);
    leave();
  }
  call(NR_PRCTL, PR_SET_DUMPABLE, 1, 0, 0, 0);
  call(NR_PRCTL, PR_SET_NAME, (long)own->name, 0, 0, 0);
  call(NR_SETPGID, 0, 0, 0, 0, 0);
  if (own->robust_list != 0) call(NR_SET_ROBUST_LIST, own->robust_list, own->robust_list_bytes, 0, 0, 0);
  call(NR_GETRANDOM, own->random, 16, 0, 0, 0);
  /* As the C library makes it: a zero byte first, so that no string function reads it. */
  if (own->canary != 0) *(u64 *)own->canary = *(u64 *)own->random & ~0xfful;
  /* Without a server that looks after it, it must not begin. */
  if (tell((s32)pid, 0) < 0) leave();
  call(NR_CLOSE, (long)own->socket, 0, 0, 0, 0);
  RESUME(configuration, struct configuration);
  __builtin_unreachable();
}

/* A clone made ahead waits for its run; its socket came as descriptor 0. */
static inline void wait_as_prewarmed(void) {
  call(NR_DUP3, 0, (long)configuration.socket, 0, 0, 0);
  call(NR_CLOSE, 0, 0, 0, 0, 0);
  tell((s32)call(NR_GETPID, 0, 0, 0, 0, 0), 0);
  long count = receive();
  if (count == -EMSGSIZE) tell((s32)call(NR_GETPID, 0, 0, 0, 0, 0), EMSGSIZE);
  if (count <= 0) leave();
}

__attribute__((noreturn, used, visibility("hidden"))) void serve(void) {
  struct configuration *own = &configuration;
  u64 no_timer[4] = {0, 0, 0, 0};
  long flags = SIGCHLD | CLONE_PARENT;
  if (own->thread_id != 0) flags |= CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
  /* The time that the set-up may take is over. */
  call(NR_SETITIMER, ITIMER_REAL, (long)no_timer, 0, 0, 0);
  call(NR_PRCTL, PR_SET_DUMPABLE, 0, 0, 0, 0);
  call(NR_PRCTL, PR_SET_NAME, (long)own->template_name, 0, 0, 0);
  /* It is no run: who looks for one by its arguments must not find it. A clone has its own. */
  struct map *map = &own->map;
  u64 argument_start = map->argument_start;
  map->argument_start = (u64)own->template_name;
  map->argument_end = map->argument_start + sizeof own->template_name;
  map->environment_start = map->environment_end;
  call(NR_PRCTL, PR_SET_MM, PR_SET_MM_MAP, (long)map, sizeof *map, 0);
  map->argument_start = argument_start;
  call(NR_CLOSE_RANGE, 0, (long)own->last_stream, 0, 0, 0);
  for (;;) {
    long count = receive();
    if (count == 0 || (count < 0 && count != -EMSGSIZE)) leave();
    long pid = count;
    if (count > 0) {
      pid = CLONE(flags, own->thread_id);
      if (pid == 0) {
        if (own->request.kind == PREWARM) wait_as_prewarmed();
        become();
      }
    }
    wipe_strings();
    call(NR_CLOSE_RANGE, 0, (long)own->last_stream, 0, 0, 0);
    if (pid < 0) tell(0, altered() ? ALTERED : (s32)-pid);
  }
}

ENTER("serve", "stack_top");
