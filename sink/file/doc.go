// Package file keeps matches in a directory, one append-only file each: the sink that
// needs no database.
//
//	sink, err := file.Open(file.Config{Dir: "matches"}) // one process writes
//	...
//	reader, err := file.Open(file.Config{Dir: "matches", ReadOnly: true}) // any number read, also meanwhile
//	newest, err := reader.Latest(ctx, "match 7")
//
// A command line names such a directory file:DIR; what follows file: is Config.Dir as
// it stands, such as file:matches or file:/srv/matches.
//
// # What is in a file
//
// Lines of JSON, each a record that stands for itself, with the type first. They are
// long, so here they are cut:
//
//	{"type":"match","match":"match 7","format":1,…}
//	{"type":"event","match":"match 7","epoch":1,"seq":1,"tick":58,"time":"2024-02-29T23:59:58.966666666Z","kind":"joined","player":2,"data":{"name":"bob"},…}
//	{"type":"snapshot","match":"match 7","epoch":1,"tick":60,"time":"2024-02-29T23:59:59.000000000Z",…}
//	{"type":"object","match":"match 7","epoch":1,"tick":60,"time":"…","id":1,"class":"Knight","owner":2,"alive":true,"fields":{"HP":80,"X":1.5},…}
//	{"type":"end","match":"match 7","epoch":1,"tick":60,"time":"…","objects":1,…}
//
// A snapshot is a line, a line for each object, and a line that says how many there
// were, without which it does not count. So 10,000 objects are never one giant line,
// neither in memory nor on a screen, and one object's life is what grep finds:
//
//	tail -f match%207.jsonl
//	grep '"id":7,' match%207.jsonl
//	jq -c 'select(.type == "event") | [.time, .kind, .player, .data]' match%207.jsonl
//	jq -c 'select(.type == "object" and .class == "Knight") | [.tick, .id, .fields.HP]' match%207.jsonl
//
// Every line ends in "crc", the CRC-32C of what stands before it, by which a line that
// was changed is found. Nothing else needs it.
//
// Ordinary values are plain JSON. Three kinds of numbers are told apart by their
// spelling, 80 (int64), 80e0 (uint64) and 80.0 (float64), which every tool reads as the
// same number. What JSON has no word for is an object with one member:
//
//	{"$int":"9007199254740993"}  {"$uint":"…"}       beyond 2^53, where most tools round
//	{"$float":"NaN"}             "+Inf", "-Inf"
//	{"$bytes":"base64"}          []byte
//	{"$string":"base64"}         text that is not UTF-8
//	{"$time":"2024-02-29T23:59:59.123456789Z"}       {"$unix":[seconds,nanoseconds]} beyond the year 9999
//	{"$map":[["$key",1]]}        a map with such keys, or with keys that are not UTF-8
//
// Nothing is lost by that: what is read has the kind and the value of what was written,
// times with their nanoseconds, in UTC.
//
// A file bears the name of its match, and works on every file system: lower case
// letters, digits, _ and, but for the first character, - and . stand for themselves, +a
// is A, %20 is the byte 0x20, and % alone is no name at all. A name that becomes longer
// than 200 bytes is cut and ends in %~ and a hash; the first line has all of it.
//
// # What an acknowledgement means
//
// When a write returns nil, its records are whole and in the file, and:
//
//   - with AckDisk (the default), an fsync that began after they were written has
//     succeeded. They survive the end of the process, of the operating system, and a loss
//     of power, as far as the disk keeps its word. Fsyncs of a file are at least
//     Config.SyncEvery apart, 5 ms, and everything written meanwhile shares one.
//   - with AckOS, the operating system has them. They survive the end of the process,
//     however it ends (kill -9 included). A loss of power takes at most what was written
//     in the last Config.SyncEvery, 100 ms, and the time that an fsync takes.
//
// A write that returns an error is stored or not; WriteEvents says how many events are.
// Writing it again is safe: what has the key of a stored record is not stored a second
// time, also after a restart, and the record stays what it was.
//
// # What can go wrong
//
//   - The process is killed in the middle of a write: when the match is next used, the
//     file is cut back to its last whole record, which Config.Log is told. Nobody was
//     told that what is cut off is stored.
//   - The disk is full, or a write fails: the write returns the error, the file is cut
//     back to its last whole record, and the next write may succeed.
//   - An fsync fails: what of the last bytes is on the disk nobody knows, and a second
//     fsync would say that all is well. So the match takes no more writes until the sink
//     is opened again; every write says why.
//   - Somebody deletes, replaces, cuts or extends a file in use: likewise, as the records
//     that were acknowledged may be gone. The files of matches that this process has not
//     used yet may come and go.
//   - Bytes of a file have changed: lines that do not fit their checksum are told to
//     Config.Log by number when the match is first used, and reading goes on as far as
//     that is no guess. Latest passes over a snapshot that is damaged, and Snapshots ends
//     with an error behind those that are whole. Events ends with one where an event may
//     be missing, unless it is certain that what is damaged was part of a snapshot. New
//     records can be written. To be rid of the error, stop the server and delete the
//     lines that it names, and with them what they held.
//   - Two processes open one directory to write: the second gets core.ErrRefused, on
//     systems that have locks for files (Unix by flock, Windows). The lock ends with the
//     process; the file .lock stays.
//
// # What it costs
//
// Memory: the index of a match, 56 bytes for each snapshot and for each 64 KiB of events
// between two of them, and 256 KiB for a write under way. The index is built by reading
// the file when the match is first used, at some hundred megabytes a second. Of more
// than 512 matches in use, the one not used for longest is closed, and read again when it
// is needed. A snapshot that is read is in memory as a whole. A line has 16 MiB at most.
//
// Disk: an object takes about 150 bytes besides its fields in each snapshot, as its line
// says when and where it was. Old matches stay until somebody deletes their files.
package file
