/*
 * A client's bytes, cut into pieces by the input itself: the first byte of each piece says
 * how long it is and what happens behind it (serving, a stop, text, the output is read).
 */
#include "test/fuzz/rsp_server.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rsp *r = NULL;
	r = rsp_new(&target, &r);
	if (!r)
		return 0;
	bool open = true;
	uint64_t now_us = 0;
	while (open && size > 0) {
		uint8_t what = *data++;
		size--;
		size_t piece = (what & 0x3fu) < size ? (what & 0x3fu) : size;
		open = rsp_receive(r, data, piece, now_us += 700000);
		data += piece;
		size -= piece;
		rsp_expire(r, now_us);
		if (open && (what & 0x40))
			open = rsp_serve(r, now_us);
		if (what & 0x80) {
			(void)rsp_console(r, "text", 4);
			rsp_stop(r,
				 &(struct rsp_stop){ .signal = what & 0xf, .thread = 1 });
			read_output(r);
		}
	}
	read_output(r);
	rsp_closed(r);
	rsp_free(r);
	return 0;
}
