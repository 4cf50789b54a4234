// Package mongo keeps matches in MongoDB: a pair of collections for each match, with
// documents that people can read and query.
//
//	sink, err := mongo.Open(ctx, "mongodb://localhost:27017/arena") // or New(Config{…})
//	if err != nil {
//		return err
//	}
//	err = sink.WriteSnapshot(ctx, snapshot)
//	...
//	sink.Close(ctx)
//
// # What is where
//
// As in the thesis (5.2.9), the names of collections bear the start of the match. Of the
// match that the engine named arena-20240229T235959.123456789Z:
//
//	game-state 2024-02-29T23:59:59.123456789Z arena      snapshots
//	server-events 2024-02-29T23:59:59.123456789Z arena   events
//	game-matches                                         an entry for each match
//
// The start is the time at the end of the match's name, where the engine puts it; of a
// match without such a name, the time of its first record. What else the name says comes
// behind it, so that matches with one start stay apart. The entry in game-matches says
// which two collections a match has, and that counts: it is written once, and everybody who
// reads looks there. With Config.Collections, several matches share collections.
//
// MongoDB does not like tens of thousands of collections: who has that many matches,
// and who uses Config.Expire, which leaves empty collections behind, shares them.
//
// # What it looks like
//
//	{ _id: "arena-20240229T235959.123456789Z/00000000000000000001/00000000000000000060",
//	  match: "arena-20240229T235959.123456789Z", epoch: 1, tick: 60,
//	  time: ISODate("2024-03-01T00:00:00.123Z"), ns: 456789, count: 2,
//	  objects: [ { id: 7, class: "Knight", owner: 2, alive: true, fields: { HP: 80, Name: "bob" } }, … ] }
//
//	{ _id: "arena-20240229T235959.123456789Z/00000000000000000001/00000000000000000005",
//	  match: "arena-20240229T235959.123456789Z", epoch: 1, seq: 5, tick: 58,
//	  time: ISODate("2024-03-01T00:00:00.100Z"), kind: "scored", player: 2, data: { points: 10 } }
//
// so that a shell reads what a game did:
//
//	db["server-events …"].find({ kind: "scored", "data.points": { $gte: 10 } })
//	db["game-state …"].find({ "objects.fields.HP": { $lt: 20 } })
//
// The _id is match, epoch, and tick or number, each number with 20 digits, so that the
// index on _id has the records in order. In the match, /, %, $, quotes, backslashes, control
// characters, bytes that are no UTF-8 and dots that would be in the way are % and two hex
// digits; a long name is cut and ends in %~ and a hash. ns is what a date lacks of the
// time, in nanoseconds. Events have one more index, on _id and tick.
//
// What BSON has is plain BSON, and nothing is lost in it:
//
//	int64         a long
//	uint64        an int up to 2^31-1; beyond: {"%uint": a long}, or a text of 20 digits from 2^63 on
//	float64       a double, also NaN and infinities
//	string        a text; not UTF-8: {"%text": binary}
//	[]byte        binary
//	time.Time     a date; if it has more than milliseconds: {"%time": date, "%ns": int}
//	[]any         an array
//	map, fields   a document, of a map with its keys in order
//
// Keys and names of fields are as they are, but for dots, a $ in front, zero bytes, bytes
// that are no UTF-8, and _id, which are escaped as above; the empty one is %. So nothing
// that a player chose is ever taken for a command. Epoch, tick, seq and id are longs, and
// texts of 20 digits from 2^63 on.
//
// A snapshot of more than 8 MiB has its objects in parts, documents with an _id such as
// "…/part/…/00-9f86d081884c7d65", which are behind all others of the match. The document
// that names them is written last: without it, nobody reads them.
//
// # What is promised
//
// Each record is stored by an update with upsert and $setOnInsert, in ordered batches:
// what is there already stays as it is. After an error that leaves the outcome open,
// write the same again. The driver also does so by itself, within the context, where a
// connection breaks or the primary changes (retryable writes, which need a replica set).
//
// A write that returned nil is as safe as its write concern says. The default,
// majority, survives a failover: most of the replica set has the record, by default in
// the journal. With w=1, a failover can take back what was acknowledged; on one server
// without replicas, majority is that server. Add journal=true to the URL to wait for the
// disk where writeConcernMajorityJournalDefault was turned off.
//
// With Config.Expire, records have a date in the field expires, and an index by which
// MongoDB deletes them about a minute after it. The entry of a match goes after its last
// record; a match with records that stay for ever keeps it.
//
// Calls end with their context; without a deadline, each command has 10 s.
//
// # What was tested on what
//
// The laws of conformance hold over FerretDB 1, which is no MongoDB but somebody else's
// work, and which is killed and started again meanwhile. It stores no infinity, no NaN and
// no array in an array, and knows no expiry; do not rely on it. Expiry, write concern,
// retried writes and the change of a primary are tested by what is sent, against a script
// that plays the server: what MongoDB makes of that is its own documentation's word. Set
// PARLEY_TEST_MONGO to the URL of a MongoDB, and the tests go over that.
//
// # Errors
//
// They wrap the errors of package core, and keep those of the driver. core.ErrUnsupported
// and core.ErrTooLarge will not go away by themselves; core.ErrTimeout is silence, or nobody
// there in time; core.ErrRefused a no of MongoDB, which the text explains;
// core.ErrUntrusted a certificate; core.ErrMalformed that something else was found than what
// was written here. A context that is cancelled ends a call at once; the write may still
// arrive.
//
// MongoDB 4.4 or later will do. The user needs the role readWrite on the database.
package mongo
