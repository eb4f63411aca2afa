/*
 * File I/O: the boot loader asks the host for a driver file before it takes its own,
 * and reads it in pieces where the host has one. KD.md §6.
 */
#include "kdnet/wire.h"
#include "test/sim/kd.h"

enum {
	FILE_CREATE = 0x3430,
	FILE_READ = 0x3431,
	FILE_CLOSE = 0x3433,
	FILE_PACKET_SIZE = 64,
	FILE_READ_MAX = 1088,
	FILE_OPEN = 1, /* disposition */
	FILE_SYNCHRONOUS = 1,
	FILE_SHARE_READ = 1,
};

#define FILE_ACCESS UINT32_C(0x00120089) /* generic read, as in the capture */

static const char driver_path[] = "\\Windows\\system32\\drivers\\probe.sys";

static void ask(struct kd *k, struct writer *w, uint64_t now_us)
{
	target_link_report(k->link, LINK_FILE_IO, LINK_FILE_IO, w->buf, w->length,
			   now_us);
}

void kd_file_start(struct kd *k, uint64_t now_us)
{
	uint8_t packet[FILE_PACKET_SIZE + 2 * sizeof(driver_path)];
	struct writer w = wr_init(packet, sizeof(packet));
	wr_le32(&w, FILE_CREATE);
	wr_le32(&w, 0);
	wr_le32(&w, FILE_ACCESS);
	wr_le32(&w, 0x80); /* normal attributes */
	wr_le32(&w, FILE_SHARE_READ);
	wr_le32(&w, FILE_OPEN);
	wr_le32(&w, FILE_SYNCHRONOUS);
	wr_zeros_to(&w, FILE_PACKET_SIZE);
	for (size_t i = 0; i < sizeof(driver_path); i++)
		wr_le16(&w, (uint8_t)driver_path[i]);
	k->state = KD_FILING;
	k->file.step = KD_FILE_CREATING;
	ask(k, &w, now_us);
}

static void read_on(struct kd *k, uint64_t now_us)
{
	uint8_t packet[FILE_PACKET_SIZE];
	struct writer w = wr_init(packet, sizeof(packet));
	uint64_t left = k->file.length - k->file.offset;
	bool done = left == 0;

	wr_le32(&w, done ? FILE_CLOSE : FILE_READ);
	wr_le32(&w, 0);
	wr_le64(&w, k->file.handle);
	if (!done) {
		wr_le64(&w, k->file.offset);
		wr_le32(&w, left < FILE_READ_MAX ? (uint32_t)left : FILE_READ_MAX);
	}
	wr_zeros_to(&w, sizeof(packet));
	k->file.step = done ? KD_FILE_CLOSING : KD_FILE_READING;
	ask(k, &w, now_us);
}

static void finish(struct kd *k)
{
	k->file.step = KD_FILE_CLOSED;
	k->state = KD_RUNNING;
	target_link_resume(k->link);
}

static void on_created(struct kd *k, struct reader *r, uint64_t now_us)
{
	rd_skip(r, 5 * 4 + 4); /* access to options, padding */
	k->file.handle = rd_le64(r);
	k->file.length = rd_le64(r);
	k->file.offset = 0;
	stats_count(k->stats, STATS_FILES);
	read_on(k, now_us);
}

static void on_read(struct kd *k, struct reader *r, uint64_t now_us)
{
	rd_skip(r, 8 + 8);
	uint32_t count = rd_le32(r);
	rd_skip(r, FILE_PACKET_SIZE - 28);
	if (r->left != count || count > FILE_READ_MAX ||
	    count > k->file.length - k->file.offset)
		stats_violation(k->stats, "file read answered with another length");
	if (count == 0 || count > k->file.length - k->file.offset)
		k->file.offset = k->file.length;
	else
		k->file.offset += count;
	stats_add(k->stats, STATS_FILE_BYTES, r->left);
	read_on(k, now_us);
}

void kd_file_answer(struct kd *k, const uint8_t *data, size_t length, uint64_t now_us)
{
	static const uint32_t apis[] = { [KD_FILE_CREATING] = FILE_CREATE,
					 [KD_FILE_READING] = FILE_READ,
					 [KD_FILE_CLOSING] = FILE_CLOSE };
	struct reader r = rd_init(data, length);
	uint32_t api = rd_le32(&r);
	uint32_t status = rd_le32(&r);

	if (length < FILE_PACKET_SIZE || api != apis[k->file.step])
		stats_violation(k->stats, "answer to another file request");
	if (status != 0 || length < FILE_PACKET_SIZE || k->file.step == KD_FILE_CLOSING)
		finish(k);
	else if (k->file.step == KD_FILE_CREATING)
		on_created(k, &r, now_us);
	else
		on_read(k, &r, now_us);
}
