/*
 * A link between two network namespaces with a rate, a delay, a queue and losses: two TUN devices, and in between a
 * process that takes 3 us for a packet. Kernels without netem have no other way to delay what TCP and UDP send.
 *
 *     emulator NAMESPACE DEVICE NAMESPACE DEVICE
 *
 * Prints "ready" once both devices exist; they go with the process. Each line read from stdin sets both directions:
 *
 *     BITS_PER_SECOND DELAY_MICROS LOST_PER_MILLION QUEUE_BYTES
 *
 * and is answered with "set". A million lost per million is a link that has fallen silent: what is under way is lost,
 * too. The process ends with its stdin.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <poll.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define PACKET_BYTES 1500
/* A power of two: a fifth of a second at 1 Gbit/s. */
#define SLOTS 16384
#define BURST 32
#define NEVER INT64_MAX

struct packet {
  int64_t due;
  uint32_t length;
  uint8_t bytes[PACKET_BYTES];
};

/* One direction. All packets are delayed by as much, so they leave in the order in which they came. */
struct way {
  int in, out;
  /* When the last packet has been transmitted, nanoseconds. */
  int64_t free_at;
  uint32_t head, tail;
  uint64_t random;
  struct packet *slots;
};

static struct {
  double nanos_per_byte;
  int64_t delay;
  uint32_t lost_per_million, queue_bytes;
} conditions = {.lost_per_million = 1000000};

static void fail(const char *what) {
  perror(what);
  exit(1);
}

static int64_t now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

/* The same losses in each run, as far as the packets are the same (xorshift64). */
static uint32_t random_per_million(struct way *way) {
  way->random ^= way->random << 13;
  way->random ^= way->random >> 7;
  way->random ^= way->random << 17;
  return way->random % 1000000;
}

static int open_device(const char *network_namespace, const char *device) {
  char path[256];
  snprintf(path, sizeof path, "/run/netns/%s", network_namespace);
  int ns = open(path, O_RDONLY);
  if (ns < 0 || setns(ns, CLONE_NEWNET) < 0) fail(path);
  close(ns);
  int fd = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  if (fd < 0) fail("/dev/net/tun");
  struct ifreq request = {.ifr_flags = IFF_TUN | IFF_NO_PI};
  strncpy(request.ifr_name, device, IFNAMSIZ - 1);
  if (ioctl(fd, TUNSETIFF, &request) < 0) fail("TUNSETIFF");
  return fd;
}

static void accept_packets(struct way *way) {
  for (int i = 0; i < BURST; i++) {
    struct packet *packet = &way->slots[way->head % SLOTS];
    ssize_t length = read(way->in, packet->bytes, PACKET_BYTES);
    if (length <= 0) return;
    if (random_per_million(way) < conditions.lost_per_million || way->head - way->tail == SLOTS - 1) continue;
    int64_t at = now();
    int64_t start = way->free_at > at ? way->free_at : at;
    if ((start - at) / conditions.nanos_per_byte + length > conditions.queue_bytes) continue;
    way->free_at = start + length * conditions.nanos_per_byte;
    packet->due = way->free_at + conditions.delay;
    packet->length = length;
    way->head++;
  }
}

/* Delivers what is due; returns when the next packet is. */
static int64_t deliver(struct way *way) {
  for (int64_t at = now(); way->tail != way->head; way->tail++) {
    struct packet *packet = &way->slots[way->tail % SLOTS];
    if (packet->due > at) return packet->due;
    /* a device that is not up yet takes nothing, as a cable that is not plugged in */
    if (write(way->out, packet->bytes, packet->length) < 0) continue;
  }
  return NEVER;
}

static void read_conditions(struct way *ways) {
  double bits_per_second;
  unsigned delay_micros, lost, queue_bytes;
  char line[128];
  ssize_t length = read(STDIN_FILENO, line, sizeof line - 1);
  if (length <= 0) exit(0);
  line[length] = 0;
  if (sscanf(line, "%lf %u %u %u", &bits_per_second, &delay_micros, &lost, &queue_bytes) != 4) {
    fprintf(stderr, "not four numbers: %s", line);
    exit(2);
  }
  conditions.nanos_per_byte = 8e9 / bits_per_second;
  conditions.delay = delay_micros * 1000LL;
  conditions.lost_per_million = lost;
  conditions.queue_bytes = queue_bytes;
  if (lost >= 1000000)
    for (int i = 0; i < 2; i++) ways[i].tail = ways[i].head;
  write(STDOUT_FILENO, "set\n", 4);
}

int main(int count, char **arguments) {
  if (count != 5) {
    fprintf(stderr, "usage: emulator NAMESPACE DEVICE NAMESPACE DEVICE\n");
    return 2;
  }
  /* its time is the link's, however busy the processes at both ends are; without the right to, it is as good as it gets */
  struct sched_param first = {.sched_priority = 1};
  if (sched_setscheduler(0, SCHED_FIFO, &first) < 0) perror("SCHED_FIFO");
  prctl(PR_SET_TIMERSLACK, 1);
  int near = open_device(arguments[1], arguments[2]), far = open_device(arguments[3], arguments[4]);
  struct way ways[2] = {{.in = near, .out = far, .random = 88172645463325252ULL},
                        {.in = far, .out = near, .random = 362436069362436069ULL}};
  for (int i = 0; i < 2; i++)
    if ((ways[i].slots = malloc(SLOTS * sizeof(struct packet))) == NULL) fail("malloc");
  write(STDOUT_FILENO, "ready\n", 6);
  struct pollfd polled[] = {{STDIN_FILENO, POLLIN}, {near, POLLIN}, {far, POLLIN}};
  for (;;) {
    int64_t next = deliver(&ways[0]), other = deliver(&ways[1]);
    if (other < next) next = other;
    int64_t wait = next - now();
    if (wait < 0) wait = 0;
    struct timespec timeout = {.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000};
    if (ppoll(polled, 3, next == NEVER ? NULL : &timeout, NULL) < 0) fail("ppoll");
    if (polled[0].revents) read_conditions(ways);
    for (int i = 0; i < 2; i++)
      if (polled[i + 1].revents) accept_packets(&ways[i]);
  }
}
