// Package storetest is the one conformance suite of the storage port: what
// store.go promises, both adapters keep.
package storetest

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/oklog/ulid/v2"

	"github.com/dialnote/webhooks/pkg/audit"
	"github.com/dialnote/webhooks/pkg/delivery"
	"github.com/dialnote/webhooks/pkg/event"
	"github.com/dialnote/webhooks/pkg/fault"
	"github.com/dialnote/webhooks/pkg/secretbox"
	"github.com/dialnote/webhooks/pkg/store"
	"github.com/dialnote/webhooks/pkg/webhook"
)

// Run runs the suite. open returns a store on an empty database of its own and
// closes it when the test ends.
func Run(t *testing.T, open func(*testing.T) store.Store) {
	t.Helper()
	for _, cases := range []map[string]func(*testing.T, store.Store){webhookCases(), deliveryCases(), otherCases()} {
		for name, test := range cases {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				test(t, open(t))
			})
		}
	}
}

// webhookCases returns the cases of webhooks.
func webhookCases() map[string]func(*testing.T, store.Store) {
	return map[string]func(*testing.T, store.Store){
		"a webhook is read as it was written":          webhookRoundTrip,
		"other organizations see nothing":              foreignOrganization,
		"pages go on where they ended":                 listPages,
		"a cursor from elsewhere is refused":           listBadCursor,
		"no more webhooks than the limit":              createLimit,
		"no more webhooks than the limit, in parallel": createLimitInParallel,
		"the same subscription is there once":          subscribe,
		"the same subscription in parallel":            subscribeInParallel,
		"headers change and stay sealed":               headersChange,
		"an update raises the version":                 updateVersion,
		"an update keeps what never changes":           updateImmutable,
		"an update of an older version is stale":       updateStale,
		"an update that is refused changes nothing":    updateRefused,
		"parallel updates are not lost":                updateInParallel,
		"what breaks a rule is refused":                checks,
		"a deleted webhook is gone":                    deleteWebhook,
		"a deletion of an older version is stale":      deleteStale,
	}
}

// deliveryCases returns the cases of outcomes and the delivery log.
func deliveryCases() map[string]func(*testing.T, store.Store) {
	return map[string]func(*testing.T, store.Store){
		"an attempt is read as it was recorded":           attemptRoundTrip,
		"a hostile answer is recorded":                    hostileAnswer,
		"a batch is decided in order":                     recordInOrder,
		"the third failure disables":                      recordAutoDisable,
		"failures of which no other replica knew are one": recordLate,
		"a Zapier subscription that is gone is removed":   recordRemove,
		"held and skipped deliveries are logged":          recordNotSent,
		"attempts of unknown webhooks are dropped":        recordUnknown,
		"a batch recorded twice is there once":            recordTwice,
		"an empty batch is nothing":                       recordEmpty,
		"a test changes no count":                         recordTest,
		"overlapping failures count once, in parallel":    recordOverlapInParallel,
		"parallel batches do not block each other":        recordInParallel,
		"the failure count is the number of outages":      recordProperty,
		"progress counts real attempts":                   progress,
		"the log lists each delivery as it stands":        logProperty,
		"the log's pages go on while it grows":            logPages,
		"the log refuses a cursor from elsewhere":         logBadCursor,
		"the log finds text as it is":                     logHostileText,
		"the log is seen by its organization only":        logForeign,
		"the log shows one delivery with its attempts":    logDelivery,
		"a page that is large ends early":                 pagesEndEarly,
		"statistics count what is in the log":             statsProperty,
		"counts by the hour follow the log":               hoursFollowTheLog,
		"what is held is skipped":                         skipHeld,
		"a test's body is kept":                           testBody,
	}
}

// otherCases returns the cases of recoveries, waiting deliveries, quotas, keys, notices and the audit log.
func otherCases() map[string]func(*testing.T, store.Store) {
	return map[string]func(*testing.T, store.Store){
		"a recovery is read as it was written":          recoveryRoundTrip,
		"a webhook has one recovery at a time":          recoveryOneAtATime,
		"a recovery is worked on by one at a time":      recoveryLease,
		"recoveries take turns":                         recoveryTurns,
		"a cancelled recovery stays cancelled":          recoveryCancel,
		"old recoveries are pruned":                     recoveryPrune,
		"recoveries are listed, newest first":           recoveryList,
		"a delivery stands as its last entry says":      standings,
		"what waits is kept with its record":            waitingRecords,
		"what waits is read by one at a time":           waitingLease,
		"what waits is read until nothing does":         waitingEnds,
		"what waits too long is pruned":                 waitingPrune,
		"usage is counted by one at a time":             usageLease,
		"each part of a stream counts once":             usageCounts,
		"who has reached a quota is listed":             usageOver,
		"an idempotency key is claimed once":            idempotencyClaim,
		"an answer with a secret goes with its webhook": idempotencyRemoved,
		"an idempotency key is claimed by one of many":  idempotencyInParallel,
		"an expired or abandoned key is free again":     idempotencyFree,
		"only a claimed key is finished":                idempotencyUnclaimed,
		"old attempts and claims are pruned":            prune,
		"a log over its bound is shortened":             logIsShortened,
		"a change and its notice are one":               noticeOfChanges,
		"an outcome and its notice are one":             noticeOfOutcomes,
		"the end of a recovery and its notice are one":  noticeOfRecoveries,
		"a notice waits until it is dropped":            noticeOutbox,
		"notices of one webhook keep their order":       noticeOrder,
		"an API key is found until it is revoked":       keyRoundTrip,
		"API keys are listed page by page":              keyPages,
		"no more API keys than the limit":               keyLimit,
		"an API key that breaks a rule is refused":      keyChecks,
		"a Zapier key is shown, found and rotated":      zapierKeys,
		"one of many first calls makes the Zapier key":  zapierKeyInParallel,
		"a portal link begins a session":                portalSession,
		"a portal link opens once, and not for long":    portalLinkOnce,
		"expired links, sessions and keys are pruned":   accessPrune,
		"a change and its audit entry are one":          auditOfChanges,
		"an outcome and its audit entry are one":        auditOfOutcomes,
		"credentials are in the audit log, not secrets": auditOfAccess,
		"the audit log is filtered":                     auditFilters,
		"the audit log is read page by page":            auditPages,
		"a change without an actor is refused":          auditWithoutActor,
		"organizations are listed page by page":         organizations,
		"the database says what it is":                  engine,
		"an installation has one id":                    installation,
		"a cancelled context ends a call as cancelled":  cancelled,
	}
}

// Box returns a secret box with a new key.
func Box(tb testing.TB) *secretbox.Keyring {
	tb.Helper()
	key, err := secretbox.NewKey(rand.Reader)
	if err != nil {
		tb.Fatal(err)
	}
	box, err := secretbox.Parse(key)
	if err != nil {
		tb.Fatal(err)
	}
	return box
}

// Webhook returns a new active custom webhook of an organization.
func Webhook(organizationID string) webhook.Webhook {
	now := time.Now()
	var secret [24]byte
	_, _ = rand.Read(secret[:]) // never fails
	return webhook.Webhook{
		ID: "wh_" + newID(), OrganizationID: organizationID, Name: "CRM Call Sync", Provider: webhook.Custom,
		URL: "https://hooks.example.com/in?a=b", Event: webhook.SendCallLogs,
		Secret:    webhook.Secret("whsec_" + base64.StdEncoding.EncodeToString(secret[:])),
		CreatedAt: now, UpdatedAt: now, Version: 1,
	}
}

// By returns who changes things in these tests.
func By() audit.Actor { return audit.Actor{Kind: audit.ServiceToken, Name: "tests"} }

// Failed returns a failed attempt of a new delivery of w that began at start
// and took took.
func Failed(w webhook.Webhook, start time.Time, took time.Duration) delivery.Attempt {
	a := Succeeded(w, start, took)
	a.Outcome = delivery.Outcome{
		Result: delivery.Failed, Reason: delivery.ReasonServerError, StatusCode: 503,
		Message: "Server answered 503 Service Unavailable",
	}
	return a
}

// Succeeded is Failed for an attempt that succeeded.
func Succeeded(w webhook.Webhook, start time.Time, took time.Duration) delivery.Attempt {
	eventID := "evt_" + newID()
	return delivery.Attempt{
		ID: "att_" + newID(), DeliveryID: delivery.ID(w.ID, eventID), WebhookID: w.ID, OrganizationID: w.OrganizationID,
		EventID: eventID, EventType: event.CallCompleted, EventSequence: 7, Number: 1, URL: w.URL,
		StartedAt: start, EndedAt: start.Add(took),
		Outcome: delivery.Outcome{Result: delivery.Succeeded, StatusCode: 200},
	}
}

func newID() string { return strings.ToLower(ulid.Make().String()) }

func create(t *testing.T, s store.Store, w webhook.Webhook) webhook.Webhook {
	t.Helper()
	if err := s.Create(t.Context(), By(), w, 1000); err != nil {
		t.Fatalf("create: %v", err)
	}
	return get(t, s, w)
}

func get(t *testing.T, s store.Store, w webhook.Webhook) webhook.Webhook {
	t.Helper()
	got, err := s.Get(t.Context(), w.OrganizationID, w.ID)
	if err != nil {
		t.Fatalf("get: %v", err)
	}
	return got
}

func record(t *testing.T, s store.Store, attempts ...delivery.Attempt) []delivery.Step {
	t.Helper()
	recorded, err := s.Record(t.Context(), delivery.DefaultPolicy(), attempts)
	if err != nil {
		t.Fatalf("record: %v", err)
	}
	if len(recorded) != len(attempts) {
		t.Fatalf("recorded %d of %d attempts", len(recorded), len(attempts))
	}
	return recorded
}

func logOf(t *testing.T, s store.Store, a delivery.Attempt) []store.LoggedAttempt {
	t.Helper()
	logged, err := s.Attempts(t.Context(), a.OrganizationID, a.WebhookID, a.DeliveryID)
	if err != nil {
		t.Fatalf("attempts: %v", err)
	}
	return logged
}

func wantEqual(t *testing.T, what string, got, want any) {
	t.Helper()
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\n got %+v\nwant %+v", what, got, want)
	}
}

func wantFault(t *testing.T, err error, kind fault.Kind, code string) {
	t.Helper()
	if f, ok := errors.AsType[*fault.Error](err); !ok || f.Kind != kind || f.Code != code {
		t.Errorf("got error %v, want code %s", err, code)
	}
}

func wantNoError(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Error(err)
	}
}
