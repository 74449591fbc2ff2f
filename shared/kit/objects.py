"""Reading an object without a consumer.

The client's own reading makes a push consumer, and whoever may make one may have messages delivered to any subject of
the account where the stream is (ADR 9). So we ask for one message after the other.
"""

import base64
import hashlib
import json

from nats.js import JetStreamContext
from nats.js.errors import NotFoundError, ObjectDeletedError, ObjectNotFoundError

from shared.contracts.streams import Bucket
from shared.kit.errors import Transient


async def read_object(js: JetStreamContext, bucket: Bucket, name: str) -> bytes:
    """The whole object. Raises ObjectNotFoundError, Transient when it is not whole, and what asking the bus raises."""
    key = base64.urlsafe_b64encode(name.encode()).decode()
    try:
        found = await js.get_last_msg(bucket.stream, f"$O.{bucket.name}.M.{key}")
    except NotFoundError as error:
        raise ObjectNotFoundError from error
    about = json.loads(found.data or b"{}")
    if about.get("deleted"):
        raise ObjectDeletedError
    data = await _chunks(js, bucket, f"$O.{bucket.name}.C.{about['nuid']}", about["chunks"])
    digest = base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode()
    if about["digest"] != f"SHA-256={digest}":
        raise Transient(f"object {name[:24]} of {bucket.name} is not whole: {len(data)} of {about['size']} bytes")
    return data


async def _chunks(js: JetStreamContext, bucket: Bucket, subject: str, count: int) -> bytes:
    data, sequence = bytearray(), 0
    for _ in range(count):
        try:
            chunk = await js.get_msg(bucket.stream, seq=sequence + 1, subject=subject, next=True)
        except NotFoundError as error:  # deleted while we were reading
            raise ObjectNotFoundError from error
        data += chunk.data or b""
        sequence = chunk.seq or 0
    return bytes(data)
