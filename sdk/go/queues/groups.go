package queues

import (
	"context"
	"time"
)

// DefaultGroup is the consumer group that every queue has.
const DefaultGroup = "default"

// Group is a consumer group: it gets its own copy of every message enqueued after it was made.
type Group struct {
	Name      string    `json:"name"`
	Queue     string    `json:"queue"`
	CreatedAt time.Time `json:"createdAt"`
	// Counts is its copies, by state.
	Counts Counts `json:"counts"`
	// Lag: copies it has yet to take, which is ready, blocked and delayed.
	Lag     int      `json:"lag"`
	Members []Member `json:"members"`
	// OldestReadyAge: for how long the copy has been ready that has been for the longest. 0 when none is.
	OldestReadyAge Seconds `json:"oldestReadyAge"`
}

// Member is a consumer of a group, known by its polls and heartbeats.
type Member struct {
	ID         string    `json:"id"`
	JoinedAt   time.Time `json:"joinedAt"`
	LastSeenAt time.Time `json:"lastSeenAt"`
	// Leased: messages it holds.
	Leased int `json:"leased"`
	// Keys: ordering keys that stick to it now.
	Keys int `json:"keys"`
}

// CreateGroup makes a consumer group, or finds it there; safe to call at every start. It gets a copy of every message
// enqueued from now on, and a message is gone when every group is done with it. Errors: ErrQueueNotFound,
// ErrGroupNameInvalid, ErrGroupsExhausted.
func (c *Client) CreateGroup(ctx context.Context, queue, name string) (*Group, error) {
	var o object
	o.value("name", name)
	return send[Group](ctx, c, "POST", queueTarget(queue, "/groups"), &o, true)
}

// ListGroups is the consumer groups of a queue, "default" first. Errors: ErrQueueNotFound.
func (c *Client) ListGroups(ctx context.Context, queue string) ([]Group, error) {
	answer, err := send[struct {
		Groups []Group `json:"groups"`
	}](ctx, c, "GET", queueTarget(queue, "/groups"), nil, true)
	if err != nil {
		return nil, err
	}
	return answer.Groups, nil
}

// GetGroup is a consumer group: its counts, its lag, its members. Errors: ErrQueueNotFound, ErrGroupNotFound.
func (c *Client) GetGroup(ctx context.Context, queue, name string) (*Group, error) {
	return send[Group](ctx, c, "GET", groupTarget(queue, name, ""), nil, true)
}

// DeleteGroup deletes a consumer group with its copies, and returns how many these were; other groups keep theirs.
// Errors: ErrQueueNotFound, ErrGroupNotFound, ErrGroupIsDefault, and ErrOutcomeUnknown when the answer was lost.
func (c *Client) DeleteGroup(ctx context.Context, queue, name string) (int, error) {
	answer, err := send[removed](ctx, c, "DELETE", groupTarget(queue, name, ""), nil, false)
	return answer.number(), err
}

// Heartbeat keeps a member's session alive without a poll, and returns when it ends without a further sign of life: the
// queue's SessionTimeout from now. Consumers do it by themselves; it is for those that receive by hand. Errors:
// ErrQueueNotFound, ErrGroupNotFound, ErrMembersExhausted.
func (c *Client) Heartbeat(ctx context.Context, queue, group, consumerID string) (time.Time, error) {
	answer, err := send[struct {
		SessionUntil time.Time `json:"sessionUntil"`
	}](ctx, c, "PUT", groupTarget(queue, group, "/members/"+quoted(consumerID)), nil, true)
	if err != nil {
		return time.Time{}, err
	}
	return answer.SessionUntil, nil
}

// LeaveGroup ends a member's session: its ordering keys go to the other members, its leases are given back with no
// attempt counted, and their number is returned. Consumers do it by themselves when they stop. Safe to repeat. Errors:
// ErrQueueNotFound, ErrGroupNotFound.
func (c *Client) LeaveGroup(ctx context.Context, queue, group, consumerID string) (int, error) {
	answer, err := send[struct {
		Released int `json:"released"`
	}](ctx, c, "DELETE", groupTarget(queue, group, "/members/"+quoted(consumerID)), nil, true)
	if err != nil {
		return 0, err
	}
	return answer.Released, nil
}

// groupTarget: an empty group is the default one.
func groupTarget(queue, group, rest string) string {
	return queueTarget(queue, "/groups/"+quoted(first(group, DefaultGroup))+rest)
}
