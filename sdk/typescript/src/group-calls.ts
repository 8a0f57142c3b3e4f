/** Consumer groups and their members: made, looked at, left, deleted. */

import type { CallOptions } from './calls.js';
import { LeaseCalls } from './lease-calls.js';
import { countsOf, instant, type QueueCounts } from './models.js';
import { encode, type Json, nothingElse, queueTarget, quoted } from './wire.js';

/** A consumer of a group, known by its polls and heartbeats. */
export interface Member {
  id: string;
  joinedAt: Date;
  lastSeenAt: Date;
  /** Messages it holds. */
  leased: number;
  /** Ordering keys that stick to it now. */
  keys: number;
}

/** A consumer group: it gets its own copy of every message enqueued after it was made. */
export interface Group {
  name: string;
  queue: string;
  createdAt: Date;
  /** Its copies, by state. */
  counts: QueueCounts;
  /** Copies it has yet to take: ready, blocked and delayed. */
  lag: number;
  members: Member[];
  /** Seconds for which the copy has been ready that has been for the longest. Undefined: none is ready. */
  oldestReadyAge: number | undefined;
}

export interface MemberOptions extends CallOptions {
  /** Default: 'default'. */
  group?: string | undefined;
}

/** The part of a client that administers consumer groups. */
export class GroupCalls extends LeaseCalls {
  /**
   * Makes a consumer group, or finds it there; safe to call at every start. It gets a copy of every message enqueued from
   * now on, and a message is gone when every group is done with it. Every queue has the group 'default'. Throws
   * `queue_not_found`, `group_name_invalid`, `groups_exhausted`.
   */
  async createGroup(queue: string, name: string, { signal, ...others }: CallOptions = {}): Promise<Group> {
    nothingElse(others, 'createGroup');
    const body = encode({ name });
    return groupOf(await this.call({ method: 'POST', target: groupTarget(queue), body, safe: true, signal }));
  }

  /** The consumer groups of a queue, 'default' first. Throws `queue_not_found`. */
  async listGroups(queue: string, { signal, ...others }: CallOptions = {}): Promise<Group[]> {
    nothingElse(others, 'listGroups');
    const answer = await this.call({ method: 'GET', target: groupTarget(queue), safe: true, signal });
    return answer.groups.map(groupOf);
  }

  /** A consumer group: its counts, its lag, its members. Throws `queue_not_found`, `group_not_found`. */
  async getGroup(queue: string, name = 'default', { signal, ...others }: CallOptions = {}): Promise<Group> {
    nothingElse(others, 'getGroup');
    return groupOf(await this.call({ method: 'GET', target: groupTarget(queue, name), safe: true, signal }));
  }

  /**
   * Deletes a consumer group with its copies, and returns how many these were; other groups keep theirs. Throws
   * `queue_not_found`, `group_not_found`, `group_is_default`, and OutcomeUnknown when the answer was lost.
   */
  async deleteGroup(queue: string, name: string, { signal, ...others }: CallOptions = {}): Promise<number> {
    nothingElse(others, 'deleteGroup');
    return (await this.call({ method: 'DELETE', target: groupTarget(queue, name), safe: false, signal })).messages;
  }

  /**
   * Keeps a member's session alive without a poll, and returns when it ends without a further sign of life: the queue's
   * `sessionTimeout` from now. Consumers do it by themselves; it is for those that receive by hand. Throws
   * `queue_not_found`, `group_not_found`.
   */
  async heartbeat(
    queue: string,
    consumerId: string,
    { group = 'default', signal, ...others }: MemberOptions = {},
  ): Promise<Date> {
    nothingElse(others, 'heartbeat');
    const target = groupTarget(queue, group, consumerId);
    return instant((await this.call({ method: 'PUT', target, safe: true, signal })).sessionUntil);
  }

  /**
   * Ends a member's session: its ordering keys go to the other members, its leases are given back with no attempt
   * counted, and their number is returned. Consumers do it by themselves when they stop. Safe to repeat. Throws
   * `queue_not_found`, `group_not_found`.
   */
  async leaveGroup(
    queue: string,
    consumerId: string,
    { group = 'default', signal, ...others }: MemberOptions = {},
  ): Promise<number> {
    nothingElse(others, 'leaveGroup');
    const target = groupTarget(queue, group, consumerId);
    return (await this.call({ method: 'DELETE', target, safe: true, signal })).released;
  }
}

function groupOf(json: Json): Group {
  return {
    name: json.name,
    queue: json.queue,
    createdAt: instant(json.createdAt),
    counts: countsOf(json.counts),
    lag: json.lag,
    members: (json.members ?? []).map(memberOf),
    oldestReadyAge: json.oldestReadyAge ?? undefined,
  };
}

function memberOf(json: Json): Member {
  const { id, leased, keys = 0 } = json;
  return { id, joinedAt: instant(json.joinedAt), lastSeenAt: instant(json.lastSeenAt), leased, keys };
}

function groupTarget(queue: string, group?: string, member?: string): string {
  const inGroup = group === undefined ? '' : `/${quoted(group, 'group')}`;
  const inMembers = member === undefined ? '' : `/members/${quoted(member, 'consumerId')}`;
  return queueTarget(queue, `/groups${inGroup}${inMembers}`);
}
