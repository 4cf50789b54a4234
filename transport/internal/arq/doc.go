// Package arq carries Reliable and Unreliable messages over numbered packets that
// may be lost: acknowledgement, resending, congestion control, and the search for
// the largest packet that a path takes.
//
//	   Send                                        Recv
//	    │                                            ▲
//	┌───▼──────── Session ─────────┐   ┌──────── Session ────────────┐
//	│ frames, what is in flight    │   │ acknowledgements, order     │
//	└───┬──────────────────────────┘   └──────────────▲──────────────┘
//	   Next ──▶ sealed packets, numbered ──▶ Receive ─┘   and the same back
//
// A Session does no I/O, starts no goroutine and has no clock: it is a state machine
// that its owner, who holds a lock, feeds with packets and with the time. The layer
// below has authenticated every packet that Receive gets, and drops those that it has
// seen before.
package arq
