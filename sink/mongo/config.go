package mongo

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	mongodrv "go.mongodb.org/mongo-driver/v2/mongo"
	"go.mongodb.org/mongo-driver/v2/mongo/options"
	"go.mongodb.org/mongo-driver/v2/mongo/writeconcern"

	"github.com/parley-net/parley/core"
)

// DefaultDatabase is the database where neither the URL nor Config.Database names one.
const DefaultDatabase = "parley"

// timeout is how long MongoDB may take for one command where the context sets no
// deadline: to be found, to take it, and to answer.
const timeout = 10 * time.Second

// Config says which MongoDB, and how matches are kept there. Its zero value is ready to
// use.
type Config struct {
	// URL names the server or the replica set, in the form that Open describes; what it
	// says counts more than the other fields here. Empty means mongodb://localhost:27017.
	URL string

	// Client is used instead of URL, for what a URL does not say. It stays the caller's,
	// also when the sink is closed. Nil means one made for URL.
	Client *mongodrv.Client

	// Database is where the collections are. Empty means DefaultDatabase.
	Database string

	// Collections names the collections of a match, one for snapshots and another one for
	// events. It is asked once for each match, and what it said is kept in the database
	// with the match; start is as the package comment says. Several matches may share
	// collections, as in
	//
	//	func(string, time.Time) (state, events string) { return "game-state", "server-events" }
	//
	// It is called by many goroutines at once. Nil means two for each match, which bear
	// its start.
	Collections func(match string, start time.Time) (state, events string)

	// WriteConcern is what a write waits for. One that waits for nothing is refused. Nil
	// means majority: most of the replica set has it.
	WriteConcern *writeconcern.WriteConcern

	// Expire is how long records are kept after they were written, by this machine's
	// clock. Zero means for ever.
	Expire time.Duration

	part int // bytes from which a snapshot or a batch is cut; zero means maxPart
}

// check looks whether a Config can be meant, and fills in the defaults.
func (c *Config) check() error {
	if c.Database == "" {
		c.Database = DefaultDatabase
	}
	if c.WriteConcern == nil {
		c.WriteConcern = writeconcern.Majority()
	}
	if c.part == 0 {
		c.part = maxPart
	}
	switch {
	case len(c.Database) > 63 || strings.ContainsAny(c.Database, "/\\. \"$*<>:|?\x00"):
		return fmt.Errorf("mongo: Config.Database is %.100q: want 1 to 63 bytes, without blanks and any of /\\.\"$*<>:|?", c.Database)
	case !c.WriteConcern.IsValid() || !c.WriteConcern.Acknowledged():
		return core.Errorf(core.ErrUnsupported, "mongo: Config.WriteConcern or the URL asks for no answer to a write (w=0), so that nobody would know what is stored: ask for w=1 at least")
	case c.Expire < 0:
		return fmt.Errorf("mongo: Config.Expire is %v: take zero to keep records for ever", c.Expire)
	}
	return nil
}

// errURL stands for any URL that cannot be read. What is wrong with it is not said, as
// that might be a piece of the password.
var errURL = errors.New("mongo: the URL cannot be read: it looks like mongodb://user:password@host:27017/database?replicaSet=rs0, and signs such as / ? # @ in a password are written %2F %3F %23 %40")

// connect makes a client for the URL, and takes from the URL what it says beside that. It
// makes no connection yet, but looks up a name in DNS if the URL begins with
// mongodb+srv.
func (c *Config) connect() (*mongodrv.Client, error) {
	text := c.URL
	if text == "" {
		text = "mongodb://localhost:27017"
	}
	text, err := c.parameters(text)
	if err != nil {
		return nil, err
	}
	o := options.Client().SetAppName("parley").ApplyURI(text)
	if err := o.Validate(); err != nil {
		var u *url.Error
		if errors.As(err, &u) {
			return nil, errURL
		}
		return nil, fmt.Errorf("mongo: read the URL: %w", err)
	}
	if o.WriteConcern != nil {
		c.WriteConcern = o.WriteConcern
	}
	if err := c.check(); err != nil {
		return nil, err
	}
	client, err := mongodrv.Connect(o)
	if err != nil {
		return nil, fmt.Errorf("mongo: read the URL: %w", err)
	}
	return client, nil
}

// parameters takes the database and what is this package's from a URL, and returns what
// is the driver's. A URL may name several hosts, which package url does not know.
func (c *Config) parameters(text string) (string, error) {
	scheme, rest, ok := strings.Cut(text, "://")
	if !ok || strings.Contains(rest, "#") {
		return "", errURL
	}
	address, query, _ := strings.Cut(rest, "?")
	hosts, path, _ := strings.Cut(address, "/")
	if strings.Contains(path, "@") || strings.Contains(query, "@") {
		return "", errURL // a password with / or ? in it
	}
	if path != "" {
		name, err := url.PathUnescape(path)
		if err != nil {
			return "", errURL
		}
		c.Database = name
	}
	var theirs []string
	for p := range strings.FieldsFuncSeq(query, func(r rune) bool { return r == '&' || r == ';' }) {
		v, ok := strings.CutPrefix(p, "expire=")
		if !ok {
			theirs = append(theirs, p)
			continue
		}
		d, err := time.ParseDuration(v)
		if err != nil {
			return "", fmt.Errorf("mongo: parameter expire of the URL: %w", err)
		}
		c.Expire = d
	}
	return scheme + "://" + hosts + "/" + path + "?" + strings.Join(theirs, "&"), nil
}
