package stream

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/dialnote/webhooks/proto"
)

// ForeignStreamsError says that the streams belong to another installation.
type ForeignStreamsError struct {
	Stream        string // one of them
	Theirs, Yours string // installations
}

// Error names both installations and says what to do.
func (e *ForeignStreamsError) Error() string {
	return fmt.Sprintf("stream %s belongs to another installation (%s; that of this database is %s), whose events this one would take. "+
		"Give this one a NATS server or an account of its own. If this database is to take the streams over, because it replaces the other one, "+
		`run "config-api adopt" with this service's settings; with standalone, move the folder nats out of the data folder`, e.Stream, e.Theirs, e.Yours)
}

// Ensure creates the streams and the shared consumers, or updates them to this
// version's configuration, unless a later version made them. What is as it should be
// is not touched: a server that is short of space refuses even an update that
// changes nothing. It changes nothing and returns ErrServerTooOld when the server
// lacks message schedules, or a *ForeignStreamsError when a stream belongs to
// another installation.
func (c *Conn) Ensure(ctx context.Context, t Topology) (err error) {
	if err := c.checkVersion(); err != nil {
		return err
	}
	defer func() { c.judge(err) }()
	if err := c.checkOwner(ctx, t); err != nil {
		return err
	}
	for _, cfg := range slices.Backward(t.streams()) { // the source of the events comes before them
		if err := c.ensureStream(ctx, c.accepted(cfg), t); err != nil {
			return err
		}
	}
	return nil
}

// Adopt stores an installation's id with each stream that is there, whosever they
// were before.
func (c *Conn) Adopt(ctx context.Context, installation string) error {
	for _, cfg := range (Topology{Replicas: 1}).streams() {
		info, err := c.lookAt(ctx, cfg.Name)
		if err != nil {
			return err
		}
		if info == nil {
			continue
		}
		adopted := info.Config
		adopted.Metadata = maps.Clone(adopted.Metadata)
		adopted.Metadata[installationKey] = installation
		if _, err := c.js.UpdateStream(ctx, adopted); err != nil {
			return fmt.Errorf("adopt stream %s: %w", cfg.Name, unavailable(err))
		}
	}
	return nil
}

// checkOwner returns a *ForeignStreamsError when one of the streams belongs to
// another installation.
func (c *Conn) checkOwner(ctx context.Context, t Topology) error {
	for _, cfg := range t.streams() {
		info, err := c.lookAt(ctx, cfg.Name)
		if err != nil {
			return err
		}
		if err := foreign(info, t.Installation); err != nil {
			return err
		}
	}
	return nil
}

// foreign returns a *ForeignStreamsError for a stream of another installation, nil
// for one that is not there or that no installation has stored its id with.
func foreign(info *jetstream.StreamInfo, installation string) error {
	if info == nil {
		return nil
	}
	if owner := info.Config.Metadata[installationKey]; owner != "" && installation != "" && owner != installation {
		return &ForeignStreamsError{Stream: info.Config.Name, Theirs: owner, Yours: installation}
	}
	return nil
}

// lookAt returns what the server knows of a stream, nil when there is none.
func (c *Conn) lookAt(ctx context.Context, name string) (*jetstream.StreamInfo, error) {
	s, err := c.js.Stream(ctx, name)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil //nolint:nilnil // as the comment says
	}
	if err != nil {
		return nil, fmt.Errorf("look at stream %s: %w", name, unavailable(err))
	}
	return s.CachedInfo(), nil
}

// ensureStream makes a stream with its shared consumer, or updates them.
func (c *Conn) ensureStream(ctx context.Context, cfg jetstream.StreamConfig, t Topology) error {
	const tries = 3 // two services may make it at once
	for try := 1; ; try++ {
		info, err := c.lookAt(ctx, cfg.Name)
		if err != nil {
			return err
		}
		if err := foreign(info, t.Installation); err != nil {
			return err
		}
		if info != nil && madeLater(info) {
			return nil
		}
		if info != nil && cfg.Name == proto.StreamEvents && t.EventsAtLeast && cfg.MaxBytes > 0 {
			cfg.MaxBytes = max(cfg.MaxBytes, info.Config.MaxBytes)
		}
		info, err = c.makeStream(ctx, info, cfg, t.Installation)
		if errors.Is(err, jetstream.ErrStreamNameAlreadyInUse) && try < tries {
			continue
		}
		if err != nil {
			return fmt.Errorf("create or update stream %s: %w", cfg.Name, unavailable(err))
		}
		return c.ensureConsumers(ctx, info)
	}
}

// makeStream creates a stream, or updates the one that info describes unless it is
// as it should be.
func (c *Conn) makeStream(ctx context.Context, info *jetstream.StreamInfo, cfg jetstream.StreamConfig, installation string) (*jetstream.StreamInfo, error) {
	cfg.Metadata = map[string]string{topologyKey: strconv.Itoa(topologyVersion)}
	cfg = divided(cfg, info)
	if installation != "" {
		cfg.Metadata[installationKey] = installation
	}
	if info == nil {
		s, err := c.js.CreateStream(ctx, cfg)
		if err != nil {
			return nil, err //nolint:wrapcheck // ensureStream says what was done
		}
		return s.CachedInfo(), nil
	}
	cfg.FirstSeq = info.Config.FirstSeq // the server takes it only when it makes the stream
	if owner := info.Config.Metadata[installationKey]; owner != "" {
		cfg.Metadata[installationKey] = owner
	}
	if sameStream(info.Config, cfg) {
		return info, nil
	}
	s, err := c.js.UpdateStream(ctx, cfg)
	if err != nil {
		return nil, err //nolint:wrapcheck // ensureStream says what was done
	}
	return s.CachedInfo(), nil
}

// ensureConsumers makes the shared consumers of a stream that has some, or updates
// them.
func (c *Conn) ensureConsumers(ctx context.Context, info *jetstream.StreamInfo) error {
	switch info.Config.Name {
	case proto.StreamFarewells:
		want := unsubscribeConsumer()
		if _, err := c.js.CreateOrUpdateConsumer(ctx, info.Config.Name, want); err != nil {
			return fmt.Errorf("create or update consumer %s of %s: %w", want.Durable, info.Config.Name, unavailable(err))
		}
	case proto.StreamEvents:
		d, err := divisionOf(info)
		if err != nil {
			return err
		}
		all := d.consumers()
		return atOnce(len(all), func(i int) error { // in a cluster each chooses a leader first
			return c.ensureShared(ctx, info, dispatchersConsumer(all[i].name, all[i].filter, d.From))
		})
	}
	return nil
}

// ensureShared makes a consumer of the events that the dispatchers share, or updates
// it unless it is as it should be.
func (c *Conn) ensureShared(ctx context.Context, info *jetstream.StreamInfo, want jetstream.ConsumerConfig) error {
	have, err := c.js.Consumer(ctx, proto.StreamEvents, want.Durable)
	switch {
	case errors.Is(err, jetstream.ErrConsumerNotFound):
		want = c.floor.begin(want, info)
	case err != nil:
		return fmt.Errorf("look at consumer %s: %w", want.Durable, unavailable(err))
	default: // where it began cannot be changed
		began := have.CachedInfo().Config
		want.DeliverPolicy, want.OptStartSeq = began.DeliverPolicy, began.OptStartSeq
		if sameConsumer(began, want) {
			return nil
		}
	}
	if _, err := c.js.CreateOrUpdateConsumer(ctx, proto.StreamEvents, want); err != nil {
		return fmt.Errorf("create or update consumer %s of %s: %w", want.Durable, proto.StreamEvents, unavailable(err))
	}
	return nil
}

// sameConsumer reports whether a shared consumer is as it should be.
func sameConsumer(have, want jetstream.ConsumerConfig) bool {
	return have.Description == want.Description && have.FilterSubject == want.FilterSubject && len(have.FilterSubjects) == 0 &&
		have.AckPolicy == want.AckPolicy && have.AckWait == want.AckWait && have.MaxDeliver == want.MaxDeliver && have.MaxAckPending == want.MaxAckPending
}

// accepted returns a stream's configuration as the connected server accepts it:
// before 2.14 a stream always has a duplicate window.
func (c *Conn) accepted(cfg jetstream.StreamConfig) jetstream.StreamConfig {
	if len(cfg.Sources) > 0 && !versionAtLeast(c.nc.ConnectedServerVersion(), 2, 14) {
		cfg.Sources, cfg.Duplicates = nil, shortestDuplicates
	}
	return cfg
}

// madeLater reports whether a later version of the program made or changed a
// stream.
func madeLater(info *jetstream.StreamInfo) bool {
	version, err := strconv.Atoi(info.Config.Metadata[topologyKey])
	return err == nil && version > topologyVersion
}

// sameStream reports whether a stream has the configuration that it should have.
func sameStream(have, want jetstream.StreamConfig) bool {
	return reflect.DeepEqual(filledIn(have), filledIn(want))
}

// filledIn returns a configuration with the server's defaults where it says nothing,
// and without what the server adds to the metadata.
func filledIn(cfg jetstream.StreamConfig) jetstream.StreamConfig {
	for _, limit := range []*int64{&cfg.MaxMsgs, &cfg.MaxBytes, &cfg.MaxMsgsPerSubject} {
		if *limit == 0 {
			*limit = -1
		}
	}
	if cfg.MaxMsgSize == 0 {
		cfg.MaxMsgSize = -1
	}
	if cfg.MaxConsumers == 0 {
		cfg.MaxConsumers = -1
	}
	if cfg.Placement != nil && reflect.ValueOf(*cfg.Placement).IsZero() {
		cfg.Placement = nil
	}
	cfg.Metadata = maps.Clone(cfg.Metadata)
	maps.DeleteFunc(cfg.Metadata, func(key, _ string) bool { return strings.HasPrefix(key, "_nats.") })
	if len(cfg.Sources) > 0 {
		sources := make([]*jetstream.StreamSource, len(cfg.Sources))
		for i, s := range cfg.Sources {
			sources[i] = &jetstream.StreamSource{Name: s.Name, FilterSubject: s.FilterSubject}
		}
		cfg.Sources = sources
	}
	return cfg
}

// KeepStreams looks at the streams and the shared consumers until ctx ends, every
// time that often, and calls Ensure when one of them is gone: a server came back with
// an empty store, or an operator deleted it. When the server that it is connected to
// does not answer several times in a row, it connects to another one of the cluster.
// It calls told with what was gone and with
// the error that kept it from being made, nil when it was made. It also removes the
// consumers of earlier divisions.
func (c *Conn) KeepStreams(ctx context.Context, often time.Duration, topology func() Topology, told func(gone string, err error)) {
	tick := time.NewTicker(often)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		looking, cancel := context.WithTimeout(ctx, often)
		gone, err := c.missing(looking)
		if err == nil && gone == "" {
			err = c.retireOthers(looking)
		}
		cancel()
		c.judge(err)
		if err != nil || gone == "" {
			continue // Serving says what is wrong
		}
		told(gone, c.Ensure(ctx, topology()))
	}
}

// missing returns which stream or shared consumer is not there, "" for none, and
// notes how far the dispatchers are.
func (c *Conn) missing(ctx context.Context) (string, error) {
	for _, cfg := range (Topology{Replicas: 1}).streams() {
		info, err := c.lookAt(ctx, cfg.Name)
		if err != nil {
			return "", err
		}
		if info == nil {
			return "stream " + cfg.Name, nil
		}
		switch {
		case cfg.Name == proto.StreamFarewells && info.State.Consumers == 0:
			return "consumer " + dispatchers + " of stream " + cfg.Name, nil
		case cfg.Name != proto.StreamEvents:
			continue
		}
		if gone, err := c.missingOf(ctx, info); gone != "" || err != nil {
			return gone, err
		}
	}
	return "", nil
}

// missingOf is missing for the event stream, which is there.
func (c *Conn) missingOf(ctx context.Context, info *jetstream.StreamInfo) (string, error) {
	name := info.Config.Name
	if want := divided(jetstream.StreamConfig{Name: name}, info); !madeLater(info) && !reflect.DeepEqual(info.Config.SubjectTransform, want.SubjectTransform) {
		return "transform of subjects of stream " + name, nil
	}
	d, err := divisionOf(info)
	if err != nil {
		return "", err
	}
	for _, one := range d.consumers() {
		consumer, err := c.js.Consumer(ctx, name, one.name)
		if errors.Is(err, jetstream.ErrConsumerNotFound) {
			return "consumer " + one.name + " of stream " + name, nil
		}
		if err != nil {
			return "", fmt.Errorf("look at consumer %s: %w", one.name, unavailable(err))
		}
		c.floor.note(info.Created, one.name, consumer.CachedInfo().AckFloor.Stream)
	}
	return "", nil
}
