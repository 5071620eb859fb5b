/*
 * What differs between the processors: how to call the kernel, the numbers of its calls, and how to go back to
 * where the program was stopped. Registers are stored in the order that src/process/engines/forkserver/arch/ names.
 */
typedef unsigned long u64;
typedef unsigned int u32;
typedef int s32;

#define SIG_SETMASK 2

#if defined(__x86_64__)

#define NR_CLOSE 3
#define NR_SETITIMER 38
#define NR_PRLIMIT 302
#define NR_SETGROUPS 116
#define NR_SETRESGID 119
#define NR_SETRESUID 117
#define NR_CAPSET 126
#define NR_SCHED_GETATTR 315
#define NR_SCHED_GETAFFINITY 204
#define NR_IOPRIO_GET 252
#define NR_GETPID 39
#define NR_SENDTO 44
#define NR_RECVMSG 47
#define NR_CLONE 56
#define NR_SETPGID 109
#define NR_PRCTL 157
#define NR_EXIT_GROUP 231
#define NR_SET_ROBUST_LIST 273
#define NR_DUP3 292
#define NR_GETRANDOM 318
#define NR_CLOSE_RANGE 436
#define NR_READ 0
#define NR_LSEEK 8
#define NR_WRITE 1
#define NR_OPEN_AT 257
#define NR_RT_SIGPROCMASK 14
#define NR_RT_SIGACTION 13
#define NR_EXECVE 59
#define NR_FCNTL 72
#define NR_PTRACE 101
#define NR_GETPPID 110
#define NR_GETPGID 121
#define NR_KILL 62
#define NR_SET_TID_ADDRESS 218

static inline long call(long number, long a, long b, long c, long d, long e) {
  register long fourth __asm__("r10") = d;
  register long fifth __asm__("r8") = e;
  long result;
  __asm__ volatile("syscall"
                   : "=a"(result)
                   : "a"(number), "D"(a), "S"(b), "d"(c), "r"(fourth), "r"(fifth)
                   : "rcx", "r11", "memory");
  return result;
}

/* clone(2): the address of the thread id is the fourth argument here. */
#define CLONE(flags, thread_id) call(NR_CLONE, flags, 0, 0, thread_id, 0)

/*
 * A jump, not a return: a shadow stack keeps what it had. No register is left to hold an address. The stack is the
 * program's own before signals are let in: a handler of the program's must not run on this page.
 */
#define RED_ZONE 128
#define LOAD(configuration, index, name) "mov " #configuration "+%c0+8*" #index "(%%rip), %%" #name "\n"
#define RESUME(configuration, type)                                                                        \
  __asm__ volatile("mov " #configuration "+%c1(%%rip), %%rsp\n sub %4, %%rsp\n"                            \
                   "cmpq $0, " #configuration "+%c5(%%rip)\n je 1f\n"                                     \
                   "mov %6, %%eax\n mov %7, %%edi\n lea " #configuration "+%c3(%%rip), %%rsi\n"          \
                   "xor %%edx, %%edx\n mov $8, %%r10d\n syscall\n 1:\n"                                 \
                   LOAD(configuration, 0, r15)                                \
                   LOAD(configuration, 1, r14)                                \
                   LOAD(configuration, 2, r13)                                \
                   LOAD(configuration, 3, r12)                                \
                   LOAD(configuration, 4, rbp)                                \
                   LOAD(configuration, 5, rbx)                                \
                   LOAD(configuration, 6, r11)                                \
                   LOAD(configuration, 7, r10)                                \
                   LOAD(configuration, 8, r9)                                 \
                   LOAD(configuration, 9, r8)                                 \
                   LOAD(configuration, 10, rax)                               \
                   LOAD(configuration, 11, rcx)                               \
                   LOAD(configuration, 12, rdx)                               \
                   LOAD(configuration, 13, rsi)                               \
                   LOAD(configuration, 14, rdi)                               \
                   "mov " #configuration "+%c1(%%rip), %%rsp\n jmp *" #configuration "+%c2(%%rip)"        \
                   :                                                                                       \
                   : "i"(__builtin_offsetof(type, registers)), "i"(__builtin_offsetof(type, stack_pointer)), \
                     "i"(__builtin_offsetof(type, program_counter)),                                       \
                     "i"(__builtin_offsetof(type, signal_mask)), "i"(RED_ZONE),                            \
                     "i"(__builtin_offsetof(type, has_signal_mask)), "i"(NR_RT_SIGPROCMASK), "i"(SIG_SETMASK) \
                   : "memory")

#define ENTER(symbol, stack_top)                                                                     \
  __asm__(".section .text.entry,\"ax\"\n.globl enter\nenter:\n lea " stack_top "(%rip), %rsp\n jmp " symbol "\n")

#define START(symbol)                                                                                 \
  __asm__(".section .text.entry,\"ax\"\n.globl _start\n_start:\n mov %rsp, %rdi\n and $-16, %rsp\n call " symbol "\n")

#elif defined(__aarch64__)

#define NR_CLOSE 57
#define NR_SETITIMER 103
#define NR_PRLIMIT 261
#define NR_SETGROUPS 159
#define NR_SETRESGID 149
#define NR_SETRESUID 147
#define NR_CAPSET 91
#define NR_SCHED_GETATTR 275
#define NR_SCHED_GETAFFINITY 123
#define NR_IOPRIO_GET 31
#define NR_GETPID 172
#define NR_SENDTO 206
#define NR_RECVMSG 212
#define NR_CLONE 220
#define NR_SETPGID 154
#define NR_PRCTL 167
#define NR_EXIT_GROUP 94
#define NR_SET_ROBUST_LIST 99
#define NR_DUP3 24
#define NR_GETRANDOM 278
#define NR_CLOSE_RANGE 436
#define NR_READ 63
#define NR_LSEEK 62
#define NR_WRITE 64
#define NR_OPEN_AT 56
#define NR_RT_SIGPROCMASK 135
#define NR_RT_SIGACTION 134
#define NR_EXECVE 221
#define NR_FCNTL 25
#define NR_PTRACE 117
#define NR_GETPPID 173
#define NR_GETPGID 155
#define NR_KILL 129
#define NR_SET_TID_ADDRESS 96

static inline long call(long number, long a, long b, long c, long d, long e) {
  register long x8 __asm__("x8") = number;
  register long x0 __asm__("x0") = a;
  register long x1 __asm__("x1") = b;
  register long x2 __asm__("x2") = c;
  register long x3 __asm__("x3") = d;
  register long x4 __asm__("x4") = e;
  __asm__ volatile("svc 0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4) : "memory");
  return x0;
}

/* clone(2): the address of the thread id is the fifth argument here. */
#define CLONE(flags, thread_id) call(NR_CLONE, flags, 0, 0, 0, thread_id)

/* x16 and x17 belong to nobody where a function begins (AAPCS64). */
#define RESUME(configuration, type)                                                                   \
  __asm__ volatile("mov x17, %0\n mov x16, %2\n mov sp, %1\n"                                         \
                   "ldp x0, x1, [x17]\n ldp x2, x3, [x17, #16]\n ldp x4, x5, [x17, #32]\n"            \
                   "ldp x6, x7, [x17, #48]\n ldp x8, x9, [x17, #64]\n ldp x10, x11, [x17, #80]\n"     \
                   "ldp x12, x13, [x17, #96]\n ldp x14, x15, [x17, #112]\n"                           \
                   "ldp x18, x19, [x17, #144]\n ldp x20, x21, [x17, #160]\n"                          \
                   "ldp x22, x23, [x17, #176]\n ldp x24, x25, [x17, #192]\n"                          \
                   "ldp x26, x27, [x17, #208]\n ldp x28, x29, [x17, #224]\n ldr x30, [x17, #240]\n"   \
                   "br x16"                                                                           \
                   :                                                                                  \
                   : "r"(configuration.registers), "r"(configuration.stack_pointer),                  \
                     "r"(configuration.program_counter)                                               \
                   : "x16", "x17", "memory")

#define ENTER(symbol, stack_top)                                                                          \
  __asm__(".section .text.entry,\"ax\"\n.globl enter\nenter:\n adrp x0, " stack_top "\n add x0, x0, :lo12:" \
          stack_top "\n mov sp, x0\n b " symbol "\n")

#define START(symbol)                                                                                \
  __asm__(".section .text.entry,\"ax\"\n.globl _start\n_start:\n mov x0, sp\n b " symbol "\n")

#endif
