package store

import (
	"context"
	"time"

	"github.com/dialnote/webhooks/pkg/quota"
)

// Usage keeps the account of how many bytes the event streams keep of each
// organization. One replica at a time counts them, in the order of each stream; what
// it adds and how far it has come are written in one transaction. So a message counts
// once, whichever replica dies.
type Usage interface {
	// TakeCounting gives holder the counting until until, or extends it. It reports
	// false, and changes nothing, while another replica has it at now.
	TakeCounting(ctx context.Context, holder string, now, until time.Time) (bool, error)

	// Counted returns the whole account.
	Counted(ctx context.Context) (Account, error)

	// Count adds a part of a stream to the account. It reports false, and changes
	// nothing, when holder no longer counts or the stream is not counted up to
	// part.From.
	Count(ctx context.Context, holder string, part CountedPart) (bool, error)

	// ForgetUsage removes from the account what a stream stored before the hour in
	// which before lies, and returns how many bytes that were of each organization. It
	// reports false, and changes nothing, when holder no longer counts.
	ForgetUsage(ctx context.Context, holder, stream string, before time.Time) (map[string]int64, bool, error)

	// OrganizationUsage returns what is counted of an organization. Its Until is that
	// of the stream that is counted least far; zero when none is.
	OrganizationUsage(ctx context.Context, organizationID string) (quota.Usage, error)

	// WaitingOver returns the organizations for whose webhooks so many deliveries or
	// more wait, with how many.
	WaitingOver(ctx context.Context, deliveries int64) (map[string]int64, error)

	// NoteOver replaces the list of organizations that have reached a quota, with the
	// bytes that they use. It reports false, and changes nothing, when holder no longer
	// counts.
	NoteOver(ctx context.Context, holder string, name quota.Name, over map[string]int64) (bool, error)

	// Over returns the organizations that have reached a quota.
	Over(ctx context.Context) ([]OverQuota, error)
}

// Account is how far the streams are counted and what is counted.
type Account struct {
	Positions map[string]uint64 // the sequence of each stream's last message that is counted
	Bytes     map[string]int64  // by organization
}

// CountedPart is what a part of a stream adds to the account.
type CountedPart struct {
	Stream   string
	From, To uint64    // sequences: the part is what follows From, up to To
	Until    time.Time // what the stream stored before is counted then; zero for a stream that holds no events
	Bytes    []CountedBytes
}

// CountedBytes are bytes that a stream keeps of an organization.
type CountedBytes struct {
	OrganizationID string
	Stream         string
	Stored         time.Time // the hour in which it lies counts
	Bytes          int64     // negative for what was removed from the stream
}

// OverQuota is an organization that has reached a quota.
type OverQuota struct {
	OrganizationID string
	Quota          quota.Name
	Bytes          int64
}
