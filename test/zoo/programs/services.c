/* What the C library does for a program later on: loading, names, timers, descriptors of every kind, cancelled threads. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <execinfo.h>
#include <fcntl.h>
#include <glob.h>
#include <iconv.h>
#include <link.h>
#include <locale.h>
#include <malloc.h>
#include <netdb.h>
#include <pthread.h>
#include <pwd.h>
#include <regex.h>
#include <sched.h>
#include <semaphore.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

static sem_t semaphore;
static int prepared, cleaned, order;

static void on_timer(union sigval value) {
  order = value.sival_int;
  sem_post(&semaphore);
}
static void prepare(void) { prepared = 1; }
static void in_child(void) { prepared += 2; }
static void clean(void *flag) { *(int *)flag = 1; }
static void *cancelled(void *unused) {
  pthread_cleanup_push(clean, &cleaned);
  for (;;) pause();
  pthread_cleanup_pop(0);
  return unused;
}
static int count_objects(struct dl_phdr_info *info, size_t size, void *count) {
  (void)info, (void)size;
  ++*(int *)count;
  return 0;
}
static void at_exit(int status, void *text) { printf("ends with %d %s\n", status, (char *)text); }

static void loading(void) {
#ifndef STATIC
  void *library = dlopen("libm.so.6", RTLD_NOW);
  double (*root)(double) = library == NULL ? NULL : (double (*)(double))dlsym(library, "cbrt");
  printf("cube root %.1f own %d missing %d\n", root == NULL ? 0 : root(27), dlsym(RTLD_DEFAULT, "malloc") == (void *)malloc,
         dlopen("libnowhere.so", RTLD_NOW) == NULL);
  Dl_info where;
  printf("found %d\n", dladdr((void *)printf, &where) != 0 && strstr(where.dli_fname, "libc") != NULL);
#endif
  int objects = 0;
  dl_iterate_phdr(count_objects, &objects);
  void *frames[16];
  printf("objects %d frames %d\n", objects, backtrace(frames, 16) > 0);
}

static void names(void) {
  char text[64] = {0}, *in = "gr\303\274n", *out = text;
  size_t left = strlen(in), room = sizeof text;
  iconv_t converter = iconv_open("ISO-8859-1", "UTF-8");
  size_t irreversible = converter == (iconv_t)-1 ? 1 : iconv(converter, &in, &left, &out, &room);
  printf("converted %zu %zu\n", irreversible, sizeof text - room);
#ifndef STATIC
  struct addrinfo *address = NULL, hints = {.ai_flags = AI_NUMERICHOST};
  int found = getaddrinfo("127.0.0.1", "80", &hints, &address);
  struct passwd *entry = getpwuid(0);
  printf("address %d user %s\n", found, entry == NULL ? "none" : entry->pw_name);
#endif
  const char *locale = setlocale(LC_ALL, "C.UTF-8");
  printf("locale %s width %d\n", locale, wcwidth(L'\u00fc'));
  regex_t pattern;
  glob_t files;
  printf("pattern %d files %d\n", regcomp(&pattern, "a+b*", REG_EXTENDED) == 0 && regexec(&pattern, "xaab", 0, NULL, 0) == 0,
         glob("/etc/pass*d", 0, NULL, &files) == 0 && files.gl_pathc > 0);
}

static void timers(void) {
  struct itimerspec soon = {{0, 0}, {0, 2000000}};
  struct sigevent thread = {.sigev_notify = SIGEV_THREAD, .sigev_notify_function = on_timer, .sigev_value.sival_int = 8};
  timer_t timer;
  sem_init(&semaphore, 0, 0);
  timer_create(CLOCK_MONOTONIC, &thread, &timer);
  timer_settime(timer, 0, &soon, NULL);
  sem_wait(&semaphore);
  struct sigevent signal = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGRTMIN + 1};
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGRTMIN + 1);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  timer_create(CLOCK_REALTIME, &signal, &timer);
  timer_settime(timer, 0, &soon, NULL);
  siginfo_t info;
  int got = sigwaitinfo(&set, &info);
  printf("timer thread %d signal %d code %d\n", order, got == SIGRTMIN + 1, info.si_code == SI_TIMER);
}

static void descriptors(void) {
  int event = eventfd(3, 0), poll = epoll_create1(0), watch = inotify_init(), timer = timerfd_create(CLOCK_MONOTONIC, 0), pair[2];
  struct epoll_event wanted = {EPOLLIN, {.fd = event}}, ready;
  epoll_ctl(poll, EPOLL_CTL_ADD, event, &wanted);
  printf("descriptors %d %d %d %d ready %d\n", event, poll, watch, timer, epoll_wait(poll, &ready, 1, 0));
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGUSR1);
  pthread_sigmask(SIG_BLOCK, &set, NULL);
  int signals = signalfd(-1, &set, 0);
  raise(SIGUSR1);
  struct signalfd_siginfo told;
  ssize_t got = read(signals, &told, sizeof told);
  printf("signal %d %u from itself %d\n", got == sizeof told, told.ssi_signo, (pid_t)told.ssi_pid == getpid());
  socketpair(AF_UNIX, SOCK_STREAM, 0, pair);
  struct ucred who;
  socklen_t length = sizeof who;
  getsockopt(pair[0], SOL_SOCKET, SO_PEERCRED, &who, &length);
  printf("the other end is this process %d\n", who.pid == getpid());
  int memory = memfd_create("memory", 0);
  printf("memory %zd\n", write(memory, "text", 4));
  FILE *file = tmpfile();
  fprintf(file, "line one\nline two\n");
  rewind(file);
  char *line = NULL;
  size_t room = 0;
  printf("line %zd\n", getline(&line, &room, file));
  struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
  int locked = open("locked", O_RDWR | O_CREAT, 0600);
  fcntl(locked, F_SETLK, &lock);
  if (fork() == 0) {
    fcntl(locked, F_GETLK, &lock);
    _exit(lock.l_pid == getppid() ? 0 : 1);
  }
  int status;
  wait(&status);
  printf("the lock is this process's %d\n", WEXITSTATUS(status));
}

static void threads(void) {
  pthread_t thread;
  pthread_attr_t own;
  void *stack, *result;
  size_t size;
  struct rlimit limit;
  pthread_getattr_np(pthread_self(), &own);
  pthread_attr_getstack(&own, &stack, &size);
  getrlimit(RLIMIT_STACK, &limit);
  printf("stack holds this %d within the limit %d\n", (char *)&thread > (char *)stack && (char *)&thread < (char *)stack + size,
         size <= limit.rlim_cur);
  pthread_create(&thread, NULL, cancelled, NULL);
  usleep(1000);
  pthread_cancel(thread);
  pthread_join(thread, &result);
  printf("cancelled %d cleaned %d\n", result == PTHREAD_CANCELED, cleaned);
  pthread_atfork(prepare, NULL, in_child);
  int status;
  if (fork() == 0) _exit(prepared);
  wait(&status);
  printf("prepared %d in the child %d\n", prepared, WEXITSTATUS(status));
  char name[16] = {0};
  pthread_getname_np(pthread_self(), name, sizeof name);
  printf("name %s processor %d\n", name, sched_getcpu() >= 0);
}

int main(int argc, char **argv) {
  on_exit(at_exit, "well");
  loading();
  names();
  timers();
  descriptors();
  threads();
  char random[16] = {0}, zero[16] = {0};
  printf("random %d\n", getentropy(random, sizeof random) == 0 && memcmp(random, zero, sizeof zero) != 0);
  char *block = malloc(1000);
  printf("usable %d trimmed %d\n", malloc_usable_size(block) >= 1000, malloc_trim(0) >= 0);
  const char *way = argc > 1 ? argv[1] : "";
  fflush(stdout);
  if (strstr(way, "quick")) quick_exit(5);
  if (strstr(way, "twice")) free(block), free(block);
  return 6;
}
