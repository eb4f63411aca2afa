/*
 * The floor of an exchange's time: two processes on loopback that send each other one
 * datagram in turn, of the sizes of a read request and its full reply. Prints
 * microseconds per round trip: the median of all rounds.
 *
 *     pingpong [ROUNDS]
 */
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { REQUEST_SIZE = 110, REPLY_SIZE = 1206, ROUNDS = 20000, ROUNDS_MAX = 1000000 };

static int open_socket(struct sockaddr_in *address)
{
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	socklen_t length = sizeof(*address);
	*address = (struct sockaddr_in){ .sin_family = AF_INET };
	address->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	if (fd < 0 || bind(fd, (struct sockaddr *)address, sizeof(*address)) != 0 ||
	    getsockname(fd, (struct sockaddr *)address, &length) != 0) {
		perror("pingpong");
		exit(1);
	}
	return fd;
}

/* Answers until a datagram of another size says that it is over. */
static void answer(int fd)
{
	uint8_t buffer[REPLY_SIZE] = { 0 };
	while (recv(fd, buffer, sizeof(buffer), 0) == REQUEST_SIZE) {
		if (send(fd, buffer, REPLY_SIZE, 0) != REPLY_SIZE)
			break;
	}
}

static double now_us(void)
{
	struct timespec t;
	(void)clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double median_round(int fd, int rounds)
{
	uint8_t buffer[REPLY_SIZE] = { 0 };
	double *times = calloc((size_t)rounds, sizeof(*times));
	if (!times)
		exit(1);
	for (int i = 0; i < rounds; i++) {
		double start = now_us();
		if (send(fd, buffer, REQUEST_SIZE, 0) != REQUEST_SIZE ||
		    recv(fd, buffer, sizeof(buffer), 0) != REPLY_SIZE)
			exit(1);
		times[i] = now_us() - start;
	}
	(void)send(fd, buffer, 1, 0);
	qsort(times, (size_t)rounds, sizeof(*times), compare);
	double median = times[rounds / 2];
	free(times);
	return median;
}

int main(int argc, char **argv)
{
	int rounds = argc > 1 ? atoi(argv[1]) : ROUNDS;
	struct sockaddr_in here, there;
	int ours = open_socket(&here), theirs = open_socket(&there);
	if (rounds < 1 || rounds > ROUNDS_MAX ||
	    connect(ours, (struct sockaddr *)&there, sizeof(there)) != 0 ||
	    connect(theirs, (struct sockaddr *)&here, sizeof(here)) != 0)
		return 1;

	pid_t child = fork();
	if (child == 0) {
		answer(theirs);
		return 0;
	}
	(void)printf("%.2f\n", median_round(ours, rounds));
	(void)waitpid(child, NULL, 0);
	return 0;
}
