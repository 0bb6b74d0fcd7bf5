"""Who calls the server. Replace the table by your own login; everything behind it stays as it is."""

import hmac

from langgraph_sdk import Auth

PEOPLE = {
    "token-of-alice": {"identity": "alice", "team_lead": False},
    "token-of-bob": {"identity": "bob", "team_lead": False},
    "token-of-lea": {"identity": "lea", "team_lead": True},
}

auth = Auth()


@auth.authenticate
async def authenticate(authorization: str | None) -> Auth.types.MinimalUserDict:
    """Name the caller, or refuse the request."""
    given = (authorization or "").removeprefix("Bearer ").encode()
    for token, person in PEOPLE.items():
        if hmac.compare_digest(given, token.encode()):
            return person
    raise Auth.exceptions.HTTPException(status_code=401, detail="unknown token")


@auth.on
async def own_only(ctx: Auth.types.AuthContext, value: dict) -> dict:
    """Everybody sees their own threads; a team lead sees all of them."""
    if isinstance(value.get("metadata"), dict):
        value["metadata"].setdefault("owner", ctx.user.identity)
    else:
        value["metadata"] = {"owner": ctx.user.identity}
    return {} if ctx.user["team_lead"] else {"owner": ctx.user.identity}
