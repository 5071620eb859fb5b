/* Memory: mappings of each kind, heap in both ways, a stack near its limit, coroutines. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <ucontext.h>
#include <unistd.h>

static long deep(long level) {
  volatile char frame[4096];
  frame[0] = (char)level;
  frame[4095] = frame[0];
  return level == 0 ? frame[4095] : 1 + deep(level - 1) + (frame[0] != frame[4095]);
}

static ucontext_t main_context, other_context;
static int visits;
static void coroutine(void) {
  for (;;) {
    visits++;
    swapcontext(&other_context, &main_context);
  }
}

int main(void) {
  char *shared = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
  char *private = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (fork() == 0) {
    shared[5] = private[5] = 'c';
    _exit(0);
  }
  wait(NULL);
  printf("shared %d private %d\n", shared[5], private[5]);
  private = mremap(private, 1 << 20, 1 << 22, MREMAP_MAYMOVE);
  memset(private, 1, 1 << 22);
  printf("remapped %d\n", private[(1 << 22) - 1]);
  int fd = open("mapped", O_RDWR | O_CREAT | O_TRUNC, 0600);
  ftruncate(fd, 8192);
  char *file = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
  strcpy(file + 4090, "over the border");
  msync(file, 8192, MS_SYNC);
  char text[32] = {0};
  pread(fd, text, 15, 4090);
  printf("file %s\n", text);
  char *begin = sbrk(0);
  printf("heap grows %d\n", sbrk(100000) == begin && (char *)sbrk(0) == begin + 100000);
  char *large = malloc(64 << 20);
  memset(large, 7, 64 << 20);
  printf("large %d\n", large[63 << 20]);
  free(large);
  struct rlimit stack;
  getrlimit(RLIMIT_STACK, &stack);
  /* All but a tenth of it. */
  long levels = stack.rlim_cur > (64ul << 20) ? 15000 : (long)(stack.rlim_cur / 4096 * 9 / 10);
  printf("deep %d\n", deep(levels) >= levels);
  static char coroutine_stack[65536];
  getcontext(&other_context);
  other_context.uc_stack.ss_sp = coroutine_stack;
  other_context.uc_stack.ss_size = sizeof coroutine_stack;
  makecontext(&other_context, coroutine, 0);
  for (int at = 0; at < 5; at++) swapcontext(&main_context, &other_context);
  printf("visits %d\n", visits);
  jmp_buf back;
  volatile int jumps = 0;
  if (setjmp(back) < 3) longjmp(back, ++jumps);
  printf("jumps %d\n", jumps);
  printf("code is executable, data is not %d\n", mprotect(private, 4096, PROT_NONE));
  return 0;
}
