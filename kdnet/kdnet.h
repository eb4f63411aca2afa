/*
 * The host's end of KDNET, sans-I/O: datagrams and time in, events and datagrams
 * out. It owns the handshake, the data key, sequence numbers, the replay window,
 * and the KD packet layer on top (ids, acknowledgements, repetition, RESET). It
 * opens no socket, reads no clock and never blocks; udp.h is the thin real side.
 *
 *     kdnet_receive ──▶ ┌───────┐ ──▶ kdnet_event     (pull until KDNET_NOTHING)
 *     kdnet_send    ──▶ │ kdnet │ ──▶ kdnet_transmit  (pull until 0)
 *     kdnet_expire  ──▶ └───────┘ ──▶ kdnet_deadline
 *
 * Time is monotonic, in microseconds. Wire: KDNET.md §3–§6.
 */
#ifndef KDNET_KDNET_H
#define KDNET_KDNET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "kdnet/handshake.h"
#include "kdnet/kd_packet.h"
#include "kdnet/key.h"
#include "kdnet/seal.h"

struct kdnet;

/* Where a datagram came from, and where an answer goes. */
struct kdnet_peer {
	uint8_t address[16]; /* IPv6, or IPv4 as ::ffff:a.b.c.d */
	uint16_t port;	     /* host byte order */
	uint8_t local[16];   /* our address on which it came; zeros: any */
	uint32_t interface;  /* index of the interface, 0: any (and IPv6 scope) */
};

enum {
	KDNET_NEWEST_VERSION = 5, /* for a host poke before the target spoke */
	KDNET_POKE_INTERVAL_MS = 3000,
	/* No poke for this long: the target is gone. */
	KDNET_LOST_AFTER_MS = 16000,
	/* Of one KD packet's data, so that its datagram fits an Ethernet frame. */
	KDNET_KD_DATA_MAX = KDNET_PAYLOAD_MAX - KD_HEADER_SIZE,
};

struct kdnet_config {
	uint8_t key[KDNET_KEY_SIZE]; /* the control key */
	/* Fills `size` random bytes; NULL: libsodium's generator. */
	void (*random)(void *context, void *out, size_t size);
	void *random_context;
	/* From the connection string's target=: poked until it answers. */
	bool has_target;
	struct kdnet_peer target;
};

enum kdnet_event_type {
	KDNET_NOTHING,
	/*
	 * A session is proven: a datagram opened under its data key. All KD state of
	 * an earlier one is void, a packet in flight included. `reboot`: the session
	 * before it had another identity; false for the first one, and for one that
	 * connects anew (its data channel was lost, or it was silent too long).
	 * KD ids start anew with a new identity and go on with the same one; a target
	 * that may remember those of another host wants a kdnet_reset first.
	 */
	KDNET_CONNECTED,
	/* A KD data packet, already acknowledged. `data` is valid until the next call. */
	KDNET_PACKET,
	/*
	 * The packet given to kdnet_send was acknowledged. Not told after kdnet_confirm
	 * or kdnet_reset, nor when CONNECTED or LOST comes first: those drop the packet.
	 */
	KDNET_DELIVERED,
	/*
	 * The target sent a RESET that we did not ask for: it forgot us. It was answered,
	 * and a packet in flight is sent again under its id.
	 */
	KDNET_RESET_BY_TARGET,
	/* No poke, nor anything else of the session, for KDNET_LOST_AFTER_MS. */
	KDNET_LOST,
	/* Something to tell the user once, `notice` says what. */
	KDNET_NOTICE,
};

enum kdnet_notice {
	KDNET_NOTICE_WRONG_KEY,	  /* KDNET datagrams arrive that this key does not open */
	KDNET_NOTICE_STRANGER,	  /* authentic pokes from another address: a clone */
	KDNET_NOTICE_LINK_LOCAL,  /* the source is in 169.254/16: not routable */
	KDNET_NOTICE_NEW_VERSION, /* a protocol version never seen before: goes on */
	KDNET_NOTICE_REPLAY,	  /* an old poke came again: ignored */
	KDNET_NOTICE_NOT_KDNET,	  /* datagrams that are no KDNET at all: ignored */
	KDNET_NOTICES,
};

struct kdnet_event {
	enum kdnet_event_type type;
	bool reboot; /* KDNET_CONNECTED */
	/* KDNET_CONNECTED: the first poke of this boot that we saw named a bound host, and
	 * no session of ours came before. Versions 2 and 5 always name one (KDNET.md §4). */
	bool bound_elsewhere;
	uint8_t version;	    /* KDNET_CONNECTED, NEW_VERSION */
	struct kdnet_peer peer;	    /* KDNET_CONNECTED, LOST and notices: who */
	enum kd_packet_type packet; /* KDNET_PACKET */
	const uint8_t *data;	    /* KDNET_PACKET */
	size_t length;
	enum kdnet_notice notice;
};

/* Indices of kdnet_counter. */
enum kdnet_counter {
	KDNET_COUNT_RECEIVED, /* datagrams that opened, replays not counted */
	KDNET_COUNT_SENT,
	KDNET_COUNT_DROPPED_FORM, /* length, magic, channel, padding, direction */
	KDNET_COUNT_DROPPED_TAG,
	KDNET_COUNT_DROPPED_REPLAY,
	KDNET_COUNT_DROPPED_STRANGER,
	KDNET_COUNT_POKES, /* fresh ones, of no stranger */
	KDNET_COUNT_RESPONSES,
	KDNET_COUNT_REPEATED,	/* our retransmissions */
	KDNET_COUNT_DUPLICATES, /* the target's */
	KDNET_COUNT_RESENDS,	/* RESEND packets received */
	KDNET_COUNTERS,
};

/* Lives in locked memory (it holds keys). NULL: out of memory. */
struct kdnet *kdnet_new(const struct kdnet_config *config, uint64_t now_us);
/* Wipes keys. NULL is fine. */
void kdnet_free(struct kdnet *k);

/*
 * Takes one datagram from the socket. What does not open under a known key is
 * counted by reason and dropped: no answer, no change of state. `from` becomes the
 * address of answers only once the datagram proved authentic. KDNET.md §3, §4, §6.
 */
void kdnet_receive(struct kdnet *k, const struct kdnet_peer *from,
		   const uint8_t *datagram, size_t length, uint64_t now_us);

/* The next event, in order; false when there is none (type KDNET_NOTHING). */
bool kdnet_event(struct kdnet *k, struct kdnet_event *event);

/*
 * The next datagram to send, sealed; 0 when there is none. Every call that gave one
 * used up a sequence number: send it, in this order, from one socket (KDNET.md §6).
 * `size` is at least KDNET_DATAGRAM_MAX.
 */
size_t kdnet_transmit(struct kdnet *k, struct kdnet_peer *to, uint8_t *out, size_t size,
		      uint64_t now_us);

/* When kdnet_expire wants to be called; UINT64_MAX: only after something else happens. */
uint64_t kdnet_deadline(const struct kdnet *k);
void kdnet_expire(struct kdnet *k, uint64_t now_us);

/*
 * Queues one KD data packet; repeated until it is acknowledged or the session ends.
 * KD is stop-and-wait: false while an earlier one is not acknowledged, when nobody
 * is connected, or when length is over KDNET_KD_DATA_MAX. The bytes are copied.
 */
bool kdnet_send(struct kdnet *k, enum kd_packet_type type, const uint8_t *data,
		size_t length, uint64_t now_us);

/* Is a packet of ours still not acknowledged? */
bool kdnet_send_pending(const struct kdnet *k);

/*
 * The caller knows from the target's answer that the packet in flight arrived,
 * though its acknowledgement did not: stop repeating it.
 */
void kdnet_confirm(struct kdnet *k);

/* Sends the break-in byte once, at once; never acknowledged (KDNET.md §5). */
void kdnet_break_in(struct kdnet *k);

/*
 * Sends a RESET, which announces our next KD id (ids go on, also here), and forgets
 * which one of the target's was seen last: a stopped target repeats its state change,
 * or the reply that it waits to have acknowledged. Drops what kdnet_send still had in
 * flight. Repeated until the target answers with a RESET or with data; a running one
 * may not answer. What is given to kdnet_send meanwhile waits for that (KDNET.md §5).
 */
void kdnet_reset(struct kdnet *k, uint64_t now_us);

/* Sends a host poke at the next transmit: to the session's last peer, else to target=. */
void kdnet_poke_target(struct kdnet *k, uint64_t now_us);

bool kdnet_connected(const struct kdnet *k);
/* 30 bytes of the session, the same for one boot (KDNET.md §4); NULL before the first. */
const uint8_t *kdnet_identity(const struct kdnet *k);
uint64_t kdnet_count(const struct kdnet *k, enum kdnet_counter counter);
/* Protocol version of the live session, or of the last one; 0: there was none. */
uint8_t kdnet_version(const struct kdnet *k);
/* Smoothed round trip of the live link, 0 before the first measurement. */
uint64_t kdnet_round_trip_us(const struct kdnet *k);
/* When the last authentic datagram came, 0: never. */
uint64_t kdnet_last_heard_us(const struct kdnet *k);

#endif
