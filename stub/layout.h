/*
 * What server and template exchange, and what is written into a template. Known to request-codec.ts and
 * set-up/configuration.ts.
 */
enum kind { RUN = 1, PREWARM = 2 };
/* Added to a kind: the files of /proc are compared too, which takes longer than all else. */
#define WITH_FILES 0x100

/* What the server sends: this, then the whole room of variables, then the argument with its NUL. */
struct request {
  u32 id;
  u32 kind;
  u32 argument_bytes;
  u32 variables_bytes;
};

/* What it gets: of a clone that starts or waits, its pid; of one that could not, why. */
struct reply {
  u32 id;
  s32 pid;
  s32 error;
  u32 unused;
};

/* prctl(2), PR_SET_MM_MAP */
struct map {
  u64 code[2], data[2], heap[2], stack;
  u64 argument_start, argument_end, environment_start, environment_end;
  u64 auxiliary;
  u32 auxiliary_bytes, executable;
};

#define LIMITS 16
#define SCHEDULING 4
#define MOST_CPU_WORDS 16
#define TEXT 16

/* What is compared: a bit is left out where the server could not learn it. */
enum check {
  CHECK_LIMITS = 1,
  CHECK_SCHEDULING = 2,
  CHECK_CPUS = 4,
  CHECK_IO_PRIORITY = 8,
  CHECK_TIMER_SLACK = 16,
  CHECK_FILES = 32,
};

/* What a process inherits from the server's thread and others of its user may change meanwhile. */
struct attributes {
  u64 checks;
  /* getrlimit(2): soft and hard, by number. */
  u64 limits[LIMITS][2];
  /* sched_getattr(2): size and policy, flags, nice value and priority, utilization clamps. */
  u64 scheduling[SCHEDULING];
  u64 io_priority, timer_slack;
  /* sched_getaffinity(2) */
  u64 cpu_bytes, cpus[MOST_CPU_WORDS];
  /* /proc/self/oom_score_adj and coredump_filter, each ended by NUL. */
  char oom_score[TEXT], dump_filter[TEXT];
};

/* A descriptor that each clone gets anew, for with the template's it would share a position in the file. */
struct reopened {
  s32 descriptor;
  /* Of open(2), O_CLOEXEC among them; of one that is a copy of a stream, O_CLOEXEC or none. */
  u32 flags;
  /* The stream that it is a copy of (dup(2)); -1: a file, opened again. */
  s32 copy_of;
  u32 unused;
};
#define MOST_REOPENED 16

struct configuration {
  u64 registers[31];
  u64 stack_pointer, program_counter;
  /* Where the C library keeps its thread id, its list of robust locks, AT_RANDOM, the stack's canary; 0: nowhere. */
  u64 thread_id, robust_list, robust_list_bytes, random, canary;
  /* The last argument begins here and may be as long. */
  u64 argument, argument_room;
  /* The variables of a run end here, for those of the action follow; and may be as long. */
  u64 variables_end, variables_room;
  /* The pointers to them: the first cells of the environment. */
  u64 cells, cell_count;
  struct map map;
  char name[16], template_name[16];
  struct attributes attributes;
  /* The descriptor of the socket, and the last of the streams that a run brings. */
  u64 socket, last_stream;
  /* Streams that are closed on exec, by bits. */
  u64 closed_on_exec;
  /* Of a program that had begun: all signals are blocked in the template, and these in a clone. */
  u64 has_signal_mask, signal_mask;
  u64 reopened_count;
  struct reopened reopened[MOST_REOPENED];
  struct request request;
};
