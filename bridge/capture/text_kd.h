/* The data of one KD packet as text: the part of a line behind its id. */
#ifndef BRIDGE_CAPTURE_TEXT_KD_H
#define BRIDGE_CAPTURE_TEXT_KD_H

#include "bridge/capture/text.h"

void text_kd(FILE *out, enum kd_machine machine, const struct kd_packet *packet,
	     bool to_target);

#endif
