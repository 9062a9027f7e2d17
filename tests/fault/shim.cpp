// A library that is loaded before the C library into every process of a deployment under test (LD_PRELOAD). It breaks
// writes to a named file, ends the process at a chosen one, and puts the wall clock off. `page.py` says which of it.
// The program itself knows nothing of it and runs as it is shipped.

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

namespace {

enum Io { NOTHING, FULL, BAD, READ_ONLY, KILL_BEFORE, KILL_TORN, KILL_BEHIND, KILL_SYNC };

struct Page {
    int64_t clock_offset_ns;
    int32_t step, step_left, step_fired;
    int32_t io, io_left, io_fired;
    int32_t drop_to_route, drop_to_core, dropped, unused[5];
    char io_path[128];
};
static_assert(sizeof(int32_t) == 4 && offsetof(Page, io_path) == 64, "page.py has the same layout");

Page* page = nullptr;

__attribute__((constructor)) void map_page() {
    const char* path = getenv("COPYGATE_FAULTS");
    if (!path) return;
    const int fd = static_cast<int>(syscall(SYS_openat, AT_FDCWD, path, O_RDWR | O_CLOEXEC, 0));
    if (fd < 0) return;
    void* at = mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    syscall(SYS_close, fd);
    if (at != MAP_FAILED) page = static_cast<Page*>(at);
}

bool is_named(int fd) {
    char link[40], path[PATH_MAX];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const ssize_t length = readlink(link, path, sizeof path - 1);
    if (length <= 0) return false;
    path[length] = 0;
    return page->io_path[0] && strstr(path, page->io_path);
}

// True when this call is the one that was meant: errors hold from the chosen call on, a kill fires once.
bool comes_now() {
    if (__atomic_fetch_sub(&page->io_left, 1, __ATOMIC_SEQ_CST) > 0) return false;
    __atomic_fetch_add(&page->io_fired, 1, __ATOMIC_SEQ_CST);
    return true;
}

[[noreturn]] void end_here() {
    page->io = NOTHING;
    syscall(SYS_kill, syscall(SYS_getpid), SIGKILL);
    for (;;) pause();
}

// What becomes of a write of `size` bytes: 0 is that it is done as asked, else an errno. May end the process.
template <typename Write> int judge(int fd, size_t size, Write do_write) {
    const int saved = errno;
    const int io = page ? __atomic_load_n(&page->io, __ATOMIC_SEQ_CST) : NOTHING;
    const bool ours = io != NOTHING && io != BAD && io != KILL_SYNC && is_named(fd) && comes_now();
    errno = saved;
    if (!ours) return 0;
    switch (io) {
    case FULL: return ENOSPC;
    case READ_ONLY: return EROFS;
    case KILL_TORN: do_write(size / 2); end_here();
    case KILL_BEHIND: do_write(size); end_here();
    default: end_here();
    }
}

int judge_sync(int fd) {
    const int io = page ? __atomic_load_n(&page->io, __ATOMIC_SEQ_CST) : NOTHING;
    if ((io != BAD && io != KILL_SYNC) || !is_named(fd) || !comes_now()) return 0;
    if (io == KILL_SYNC) end_here();
    return EIO;
}

template <typename Function> Function behind_us(const char* name) {
    return reinterpret_cast<Function>(dlsym(RTLD_NEXT, name));
}

int64_t offset_ns() { return page ? __atomic_load_n(&page->clock_offset_ns, __ATOMIC_SEQ_CST) : 0; }

constexpr int64_t SECOND = 1000000000;

}  // namespace

extern "C" {

ssize_t write(int fd, const void* from, size_t size) {
    const int error = judge(fd, size, [&](size_t part) { syscall(SYS_write, fd, from, part); });
    if (error) return errno = error, -1;
    return syscall(SYS_write, fd, from, size);
}

ssize_t pwrite64(int fd, const void* from, size_t size, off64_t at) {
    const int error = judge(fd, size, [&](size_t part) { syscall(SYS_pwrite64, fd, from, part, at); });
    if (error) return errno = error, -1;
    return syscall(SYS_pwrite64, fd, from, size, at);
}

ssize_t pwrite(int fd, const void* from, size_t size, off_t at) { return pwrite64(fd, from, size, at); }

int fsync(int fd) {
    if (const int error = judge_sync(fd)) return errno = error, -1;
    return static_cast<int>(syscall(SYS_fsync, fd));
}

int fdatasync(int fd) {
    if (const int error = judge_sync(fd)) return errno = error, -1;
    return static_cast<int>(syscall(SYS_fdatasync, fd));
}

int clock_gettime(clockid_t which, struct timespec* now) noexcept {
    static const auto real = behind_us<int (*)(clockid_t, struct timespec*)>("clock_gettime");
    const int result = real(which, now);
    const int64_t off = which == CLOCK_REALTIME ? offset_ns() : 0;
    if (result == 0 && off != 0) {
        const int64_t ns = now->tv_sec * SECOND + now->tv_nsec + off;
        now->tv_sec = ns / SECOND;
        now->tv_nsec = ns % SECOND;
    }
    return result;
}

int gettimeofday(struct timeval* now, void*) noexcept {
    struct timespec exact;
    const int result = clock_gettime(CLOCK_REALTIME, &exact);
    now->tv_sec = exact.tv_sec;
    now->tv_usec = exact.tv_nsec / 1000;
    return result;
}

time_t time(time_t* into) noexcept {
    struct timespec exact;
    clock_gettime(CLOCK_REALTIME, &exact);
    if (into) *into = exact.tv_sec;
    return exact.tv_sec;
}

}
