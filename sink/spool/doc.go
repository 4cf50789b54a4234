// Package spool puts a write-ahead log on the local disk in front of any sink, so that
// a store which is slow, down or far away costs a match neither time nor records.
//
//	            WriteEvents, WriteSnapshot                    WriteEvents, WriteSnapshot
//	a match ─────────────────────────────► spool ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─ ─► store's sink
//	        ◄─────────────────────────────   │    in the background, in order,
//	         when the disk has it (fsync)    ▼    again until the store has it
//	                                       disk
//
//	store, err := redis.New(redis.Config{})
//	...
//	sink, err := spool.New(spool.Config{Dir: "spool", Sink: store})
//	...
//	n, err := sink.WriteEvents(ctx, events)   // on disk: they will be in the store
//	...
//	err = sink.Close(ctx)                     // ships the rest; what ctx leaves is shipped by the next New
//
// # What an acknowledgement means
//
// When a write returns nil, its records are in a file of this machine, and an fsync
// that began after they were written has succeeded. They survive the end of the
// process, however it ends, that of the operating system, and a loss of power, as far as
// the disk keeps its word; the loss of the disk they do not. From there they go to the
// store, and leave the disk when that has acknowledged them, as safe as its sink
// promises. A restart may ship again what had been acknowledged already: writes are
// idempotent by their keys, so nothing is doubled.
//
// A write waits for one fsync, or two: while one is under way the records of the next
// gather, and share it. There is no timer, so a lone writer pays for its own fsync only,
// and hundreds of writers for little more.
//
// # In what order things are shipped
//
// In the order in which they were written, over all matches and both kinds; so the
// store holds at any moment what was written up to some moment before, without gaps.
// Two things are left out of that: snapshots that were dropped for newer ones (see
// Policy), and records that the store will never take.
//
// Those are what it refuses with core.ErrUnsupported or core.ErrTooLarge. They are put
// aside into a file of their own, loudly, so that they hold nothing up; they are still
// read, they count in Stats.Refused, and every New tries them again, before all else.
// Every other error is an outage: the same is written again after a pause, which
// doubles from 0.1 s to 5 s, and a quarter more or less.
//
// # What can go wrong
//
//   - The process is killed, or the power goes, in the middle of a write: what is
//     unfinished is passed over by the next New. Nobody was told that it is kept.
//   - The spool is full: see Policy. Writes that find no room are refused with
//     core.ErrBackpressure, and succeed again when the store has taken some. Before
//     that, Config.HighWater and the log tell of three quarters.
//   - The disk is full, or a write fails: the call returns the error, nothing that was
//     acknowledged is touched, and the next call may succeed.
//   - An fsync fails: what of the last bytes is on disk nobody knows, and a second fsync
//     would say that all is well. So nothing more is written, and every call says why;
//     what was acknowledged before is still shipped.
//   - A file is damaged or missing: New says which, and where, and changes nothing. As a
//     frame is written only when the one before is on disk, a bad one with a good one
//     behind it is no unfinished write. Config.Salvage goes on without it.
//   - Two processes want one folder: the second New fails. The lock goes with the process.
//
// # Reading
//
// A Sink is a core.SnapshotReader: it merges what is on disk with what its store's
// sink reads, so that a reader sees all that was acknowledged, and a match can be
// restored while records still wait. While the store cannot be asked, reading is an
// error and no guess. If its sink cannot read, neither can the spool, which says so with
// core.ErrUnsupported.
//
// # What is in the folder
//
// Three journals, of numbered segments: events, snapshots, and refused. A segment has a
// header and frames; a frame is what one fsync wrote, a checksum (CRC-32C) over one or
// more records; see frame.go and record.go for every byte. Segments are 4 MiB long,
// or a sixteenth of Config.MaxBytes, and are removed when all of them is shipped. Events
// and snapshots lie apart so that snapshots can be dropped without touching an event.
//
// The log is our own since none of the known ones does what is needed here. Of those
// looked at, tidwall/wal has no checksums, hashicorp/raft-wal is shaped for raft and
// brings a second database for what it knows of its segments, and etcd's wal brings raft
// and a logger; none groups the fsyncs of several writers, drops records from the
// middle, or lets a test fail each operation of the disk.
package spool
