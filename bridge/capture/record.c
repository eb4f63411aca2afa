#include "bridge/capture/record.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sodium.h>

#include "bridge/capture/pcapng.h"
#include "kdnet/seal.h"

enum {
	COMMENT_MAX = 512,
	HEADER_MAX = 2 * COMMENT_MAX,
	/* What a socket gives of a longer one is cut to one byte more. */
	RECORDED_MAX = KDNET_DATAGRAM_MAX + 1,
	PACKET_MAX = RECORDED_MAX + DATAGRAM_HEADERS_MAX,
	BLOCK_MAX = PACKET_MAX + PCAPNG_PACKET_EXTRA + COMMENT_MAX,
	/* An empty one is a host poke; a response has 322 bytes (KDNET.md §4). */
	HANDSHAKE_MIN = KDNET_DATAGRAM_MIN + 256,
};

static const char key_label[] = "The key of the target is ";
static const char repeated[] = "from the file before: the handshake of this session";

/* A datagram, kept. */
struct kept {
	bool used;
	uint64_t time_ns;
	struct datagram datagram;
	uint8_t bytes[RECORDED_MAX];
};

/* Locked memory: it may hold the key. */
struct record {
	struct record_options options;
	char path[RECORD_PATH_MAX];
	uint8_t key[KDNET_KEY_SIZE];
	int fd; /* -1: ended */
	uint64_t written;
	struct kept response; /* the last one, that a new file begins with */
	uint8_t packet[PACKET_MAX];
	uint8_t block[BLOCK_MAX];
};

/* ---- names ---- */

/* "x.pcapng", "x.1.pcapng" …; false when it is too long. */
static bool name_file(char out[static RECORD_PATH_MAX], const char *path, unsigned number)
{
	const char *slash = strrchr(path, '/');
	const char *base = slash ? slash + 1 : path;
	const char *dot = strrchr(base, '.');
	size_t stem = dot && dot > base ? (size_t)(dot - path) : strlen(path);
	int length = number == 0 ? snprintf(out, RECORD_PATH_MAX, "%s", path)
				 : snprintf(out, RECORD_PATH_MAX, "%.*s.%u%s", (int)stem,
					    path, number, path + stem);
	return length >= 0 && length < RECORD_PATH_MAX;
}

/* Every file becomes the next older one; the oldest goes. */
static int shift_files(const char *path, unsigned files)
{
	char from[RECORD_PATH_MAX], to[RECORD_PATH_MAX];
	for (unsigned n = files - 1; n > 0; n--) {
		if (!name_file(from, path, n - 1) || !name_file(to, path, n))
			return ENAMETOOLONG;
		if (rename(from, to) != 0 && errno != ENOENT)
			return errno;
	}
	return files == 1 && unlink(path) != 0 && errno != ENOENT ? errno : 0;
}

/* ---- writing ---- */

static void end(struct record *r, int error)
{
	if (r->fd >= 0)
		(void)close(r->fd);
	r->fd = -1;
	r->options.ended(r->options.context, r->path, error);
}

/* All of it, or an errno; then the file ends where it did before. */
static int append(struct record *r, const uint8_t *bytes, size_t length)
{
	for (size_t done = 0; done < length;) {
		ssize_t n = write(r->fd, bytes + done, length - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			int error = n < 0 ? errno : EIO;
			/* what does not work either leaves half a block: it is told
			 * as cut off when it is read */
			if (ftruncate(r->fd, (off_t)r->written) != 0)
				return error;
			return error;
		}
		done += (size_t)n;
	}
	r->written += length;
	return 0;
}

static void write_comment(char out[static COMMENT_MAX], const struct record *r)
{
	char key[KDNET_KEY_TEXT_SIZE] = "";
	if (r->options.key)
		kdnet_key_format(key, r->key);
	(void)snprintf(out, COMMENT_MAX,
		       "KDNET datagrams of a Windows kernel that was debugged over UDP "
		       "port %u, sealed as they were sent: AES-256-CBC and HMAC-SHA256. "
		       "Read them with: kdbridge dissect FILE%s. %s%s%s",
		       r->options.port, r->options.key ? "" : " --key KEY",
		       r->options.key ? key_label
				      : "The key of the target is not in here",
		       key, r->options.key ? "" : ".");
	sodium_memzero(key, sizeof(key));
}

static int append_header(struct record *r)
{
	char comment[COMMENT_MAX];
	uint8_t header[HEADER_MAX];
	struct writer w = wr_init(header, sizeof(header));
	write_comment(comment, r);
	pcapng_put_section(&w, "kdbridge " KDBRIDGE_VERSION, comment);
	pcapng_put_interface(&w, PCAP_LINK_RAW, "kdnet");
	int error = append(r, header, w.length);
	sodium_memzero(comment, sizeof(comment));
	sodium_memzero(header, sizeof(header));
	return error;
}

static size_t encode_packet(struct record *r, uint64_t time_ns, const struct datagram *d,
			    bool to_target, const char *comment)
{
	struct writer packet = wr_init(r->packet, sizeof(r->packet));
	struct writer block = wr_init(r->block, sizeof(r->block));
	datagram_encode(&packet, d);
	pcapng_put_packet(&block, &(struct pcapng_packet){ .time_ns = time_ns,
							   .bytes = r->packet,
							   .length = packet.length,
							   .outbound = to_target,
							   .comment = comment });
	return wr_ok(&packet) && wr_ok(&block) ? block.length : 0;
}

/* A file of our own where nothing is: nobody's link leads us elsewhere. */
static int create_file(struct record *r)
{
	const mode_t owner_only = 0600;
	r->written = 0;
	r->fd = open(r->path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, owner_only);
	if (r->fd < 0)
		return errno;
	(void)flock(r->fd, LOCK_EX | LOCK_NB);
	int error = append_header(r);
	if (!error && r->response.used)
		error = append(r, r->block,
			       encode_packet(r, r->response.time_ns,
					     &r->response.datagram, true, repeated));
	return error;
}

static int rotate(struct record *r)
{
	(void)close(r->fd);
	r->fd = -1;
	int error = shift_files(r->path, r->options.files);
	return error ? error : create_file(r);
}

/* ---- the handshake ---- */

/* The key stays with its owner: what a response is shows from outside. */
static void keep_response(struct record *r, uint64_t time_ns, const struct datagram *d)
{
	enum kdnet_channel channel;
	enum kdnet_open_result result;
	uint8_t version;
	if (!kdnet_peek(d->bytes, d->length, &channel, &version, &result) ||
	    channel != KDNET_CHANNEL_CONTROL || d->length < HANDSHAKE_MIN)
		return;
	r->response.used = true;
	r->response.time_ns = time_ns;
	r->response.datagram = *d;
	memcpy(r->response.bytes, d->bytes, d->length);
	r->response.datagram.bytes = r->response.bytes;
}

void record_datagram(struct record *r, uint64_t time_ns, const struct datagram *d,
		     bool to_target)
{
	struct datagram cut = *d;
	if (r->fd < 0)
		return;
	if (cut.length > RECORDED_MAX)
		cut.length = RECORDED_MAX;
	size_t length = encode_packet(r, time_ns, &cut, to_target, NULL);
	int error = 0;
	if (r->written + length > r->options.size) {
		error = rotate(r);
		length = encode_packet(r, time_ns, &cut, to_target, NULL);
	}
	if (!error)
		error = append(r, r->block, length);
	if (error)
		end(r, error);
	else if (to_target)
		keep_response(r, time_ns, &cut);
}

/* ---- the beginning and the end ---- */

/* Its beginning is all there is, and no packet is in it. */
static bool is_empty(const uint8_t *bytes, size_t length, off_t size)
{
	struct pcap_reader reader;
	struct pcap_packet packet;
	return size == (off_t)length &&
	       (!pcap_init(&reader, bytes, length) || !pcap_next(&reader, &packet));
}

/* May what is there be rotated away; does it hold nothing, so that it may go? */
static enum record_result look_into(int fd, bool *empty)
{
	static const uint8_t section[] = { 0x0a, 0x0d, 0x0d, 0x0a };
	uint8_t bytes[HEADER_MAX];
	struct stat status;
	if (fstat(fd, &status) != 0)
		return RECORD_FAILED;
	if (!S_ISREG(status.st_mode))
		return RECORD_NOT_OURS;
	ssize_t length = read(fd, bytes, sizeof(bytes));
	if (length < 0)
		return RECORD_FAILED;
	if (length > 0 && (length < (ssize_t)sizeof(section) ||
			   memcmp(bytes, section, sizeof(section)) != 0))
		return RECORD_NOT_OURS;
	*empty = is_empty(bytes, (size_t)length, status.st_size);
	return flock(fd, LOCK_EX | LOCK_NB) == 0 ? RECORD_BEGUN : RECORD_IN_USE;
}

static enum record_result look_at(const char *path, bool *empty)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return RECORD_BEGUN;
	if (fd < 0)
		return errno == ELOOP ? RECORD_NOT_OURS : RECORD_FAILED;
	enum record_result result = look_into(fd, empty);
	int error = errno;
	(void)close(fd);
	errno = error;
	return result;
}

static enum record_result begin(struct record *r)
{
	char last[RECORD_PATH_MAX];
	if (!name_file(last, r->path, RECORD_FILES_MAX))
		return RECORD_LONG_NAME;
	bool empty = false;
	enum record_result result = look_at(r->path, &empty);
	if (result != RECORD_BEGUN)
		return result;
	/* starts in vain, one after the other, cost no recording */
	int error = shift_files(r->path, empty ? 1 : r->options.files);
	if (!error)
		error = create_file(r);
	/* no reason to refuse a session */
	if (error == ENOSPC || error == EDQUOT || error == EFBIG) {
		end(r, error);
		return RECORD_BEGUN;
	}
	errno = error;
	return error ? RECORD_FAILED : RECORD_BEGUN;
}

enum record_result record_new(struct record **out, const struct record_options *options)
{
	struct record *r = sodium_init() >= 0 ? sodium_malloc(sizeof(*r)) : NULL;
	if (!r)
		return RECORD_FAILED;
	memset(r, 0, sizeof(*r));
	r->options = *options;
	r->fd = -1;
	enum record_result result = RECORD_LONG_NAME;
	if (name_file(r->path, options->path, 0)) {
		r->options.path = r->path;
		if (options->key) {
			memcpy(r->key, options->key, sizeof(r->key));
			r->options.key = r->key;
		}
		result = begin(r);
	}
	if (result == RECORD_BEGUN) {
		*out = r;
		return result;
	}
	int error = errno;
	record_free(r);
	errno = error;
	return result;
}

void record_free(struct record *r)
{
	if (r && r->fd >= 0)
		(void)close(r->fd);
	sodium_free(r);
}

bool record_key(uint8_t key[static KDNET_KEY_SIZE], const uint8_t *comment, size_t length)
{
	char text[KDNET_KEY_TEXT_SIZE];
	const size_t label = sizeof(key_label) - 1;
	const uint8_t *found = comment ? memmem(comment, length, key_label, label) : NULL;
	if (!found)
		return false;
	const uint8_t *from = found + label;
	size_t size = length - (size_t)(from - comment);
	if (size >= sizeof(text))
		return false;
	memcpy(text, from, size);
	text[size] = '\0';
	bool good = kdnet_key_parse(key, text) == KDNET_KEY_OK;
	sodium_memzero(text, sizeof(text));
	return good;
}
