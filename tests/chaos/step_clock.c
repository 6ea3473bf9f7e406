/* A wall clock that is as far off as a file says, for every program that is started with this library preloaded.
 *
 *     cc -shared -fPIC -O2 -o step_clock.so step_clock.c -ldl
 *     LD_PRELOAD=step_clock.so STEP_CLOCK=file program        (file: 8 bytes, nanoseconds, mapped by everybody)
 *
 * Only readings of the wall clock are changed, at once and for all: sleeps, deadlines and the monotonic clock
 * are left alone. (libfaketime lets clock_nanosleep fail with EINVAL on a busy machine.)
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static int64_t none;
static volatile int64_t *offset_ns = &none;
static int (*real_clock_gettime)(clockid_t, struct timespec *);

__attribute__((constructor)) static void attach(void) {
    const char *path = getenv("STEP_CLOCK");
    int file = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    if (file < 0) return;
    void *mapped = mmap(0, sizeof(int64_t), PROT_READ, MAP_SHARED, file, 0);
    close(file);
    if (mapped != MAP_FAILED) offset_ns = mapped;
}

static int now(clockid_t clock, struct timespec *out) {
    if (!real_clock_gettime) real_clock_gettime = dlsym(RTLD_NEXT, "clock_gettime");
    int status = real_clock_gettime(clock, out);
    if (status == 0 && (clock == CLOCK_REALTIME || clock == CLOCK_REALTIME_COARSE)) {
        int64_t total = (int64_t)out->tv_sec * 1000000000 + out->tv_nsec + *offset_ns;
        out->tv_sec = total / 1000000000;
        out->tv_nsec = total % 1000000000;
    }
    return status;
}

int clock_gettime(clockid_t clock, struct timespec *out) { return now(clock, out); }

int gettimeofday(struct timeval *restrict out, void *restrict zone) {
    (void)zone;
    struct timespec found;
    int status = now(CLOCK_REALTIME, &found);
    out->tv_sec = found.tv_sec;
    out->tv_usec = found.tv_nsec / 1000;
    return status;
}

time_t time(time_t *out) {
    struct timespec found;
    now(CLOCK_REALTIME, &found);
    if (out) *out = found.tv_sec;
    return found.tv_sec;
}
