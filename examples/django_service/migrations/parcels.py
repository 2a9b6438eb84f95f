"""Create the table of parcels."""

from django.db import migrations, models


class Migration(migrations.Migration):  # type: ignore[misc] # Django has no types
    """First version of the schema."""

    initial = True
    operations = (
        migrations.CreateModel(
            "Parcel",
            [
                ("number", models.TextField(primary_key=True, serialize=False)),
                ("printed_by", models.TextField(default="")),
            ],
        ),
    )
