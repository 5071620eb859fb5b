/*
 * What server and template exchange, and what is written into a template. Known to request-codec.ts and
 * set-up/configuration.ts.
 */
enum kind { RUN = 1, SPARE = 2 };

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
  struct request request;
};
